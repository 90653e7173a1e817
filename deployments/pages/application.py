"""The page server of a stack: reports as files, and each model's page and numbers as they are now.

It starts with little; what the pages need is imported when somebody first asks for one.
"""

from datetime import UTC, datetime
from html import escape
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from infra.errors import ConfigError, PerennialError
from infra.stack import pages

_FRESH = {"Cache-Control": "no-store"}
_REFRESH_S: Final = 300
"""A page that lies open in the morning is not of yesterday in the evening."""


def create() -> Starlette:
    """The application that uvicorn runs."""
    return pages.create(
        Route("/models", _models),
        Route("/models/{name}", _model),
        Route("/metrics", _metrics),
    )


# Not coroutines: Starlette runs them in threads, and a page that waits keeps no other waiting.
def _models(_request: Request) -> Response:
    from deployments.pages.brief import briefs
    from deployments.pages.rendering import index_page

    now = datetime.now(UTC)
    return HTMLResponse(index_page(tuple(briefs(now)), now, _REFRESH_S), headers=_FRESH)


def _model(request: Request) -> Response:
    from deployments.pages.gathering import declared_as, gather
    from deployments.pages.rendering import model_page

    try:
        spec = declared_as(request.path_params["name"])
        page = model_page(gather(spec, datetime.now(UTC)), refresh_s=_REFRESH_S)
        return HTMLResponse(page, headers=_FRESH)
    except PerennialError as error:
        status = 404 if isinstance(error, ConfigError) else 503
        return HTMLResponse(_sorry(error), status_code=status, headers=_FRESH)


def _metrics(request: Request) -> Response:
    from deployments.metrics.exposition import exposition

    text, kind = exposition(request.headers.get("accept", ""))
    return Response(text, media_type=kind)


def _sorry(error: PerennialError) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>No page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="/favicon.ico">'
        f'<meta http-equiv="refresh" content="{_REFRESH_S}">'
        "<style>:root { color-scheme: light dark } body { font: 16px/1.6 system-ui, sans-serif; "
        "max-width: 44rem; margin: 4rem auto; padding: 0 1.5rem; overflow-wrap: anywhere }</style>"
        f'<h1>There is no page to show</h1><p>{escape(str(error))}</p><p><a href="/models">All '
        "models</a></p></html>"
    )
