"""The page server: the reports of this home, read only, on a loopback port."""

import re
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from infra.settings import settings

_MOST: Final = 500
_HEAD_BYTES: Final = 4096
"""How far into a page its title is looked for."""

_TITLE: Final = re.compile(r"<title[^>]*>([^<]+)</title>")
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M2 14C2 6 7 2 14 2c0 7-4 11-9 10l5-6-8 8z" fill="#1f7a4d"/></svg>'
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Perennial reports</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 :root {{ color-scheme: light dark; --ink: #1d2b25; --soft: #64756d; --line: #d9e2dd;
   --paper: #fbfdfc; --leaf: #1f7a4d; }}
 @media (prefers-color-scheme: dark) {{ :root {{ --ink: #e4ece8; --soft: #93a59c; --line: #2c3a33;
   --paper: #131a16; --leaf: #6fcf9b; }} }}
 body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
   max-width: 60rem; margin: 3rem auto; padding: 0 1.5rem; }}
 h1 {{ font-size: 1.6rem; margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin-top: 2.5rem }}
 h1 + p {{ margin-top: .3rem }} time {{ font-variant-numeric: tabular-nums; white-space: nowrap }}
 p, time {{ color: var(--soft) }} a {{ color: var(--leaf); text-decoration: none }}
 a:hover {{ text-decoration: underline }}
 ul {{ list-style: none; padding: 0 }}
 li {{ display: flex; justify-content: space-between; gap: 1rem; padding: .45rem 0;
   border-bottom: 1px solid var(--line) }}
</style></head><body>
<h1>Reports</h1><p>{summary} · <a href="/models">Models</a></p>{sections}</body></html>
"""


def create(*routes: Route) -> Starlette:
    """The application that uvicorn runs.

    Args:
        routes: of pages that are no files; they come before the files.
    """
    reports = settings().home / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    return Starlette(
        routes=[
            *routes,
            Route("/", _index),
            Route("/healthz", _healthy),
            Route("/favicon.ico", _icon),
            Mount("/", StaticFiles(directory=reports, html=True)),
        ],
        # A page in a browser must not read reports by a name that it points at this machine.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def index_page(reports: Path) -> str:
    """The list of reports as HTML: the newest first, by model and flow, each by its title."""
    pages = sorted(reports.rglob("*.html"), key=lambda path: path.stat().st_mtime, reverse=True)
    groups: dict[str, list[Path]] = {}
    for page in pages[:_MOST]:
        folders = page.parent.relative_to(reports).parts
        groups.setdefault(" / ".join(folders[:2]), []).append(page)
    sections = "".join(_section(name, found, reports) for name, found in groups.items())
    summary = f"{len(pages)} reports" if pages else "There are no reports yet."
    if len(pages) > _MOST:
        summary += f", the newest {_MOST} are listed"
    return _PAGE.format(summary=escape(summary), sections=sections)


async def _index(_request: Request) -> Response:
    return HTMLResponse(index_page(settings().home / "reports"))


async def _icon(_request: Request) -> Response:
    return Response(_ICON, media_type="image/svg+xml")


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok")


def _section(name: str, pages: list[Path], reports: Path) -> str:
    title = f"<h2>{escape(name)}</h2>" if name else ""
    return f"{title}<ul>{''.join(_line(page, reports) for page in pages)}</ul>"


def _line(page: Path, reports: Path) -> str:
    written = datetime.fromtimestamp(page.stat().st_mtime, UTC)
    link = quote(page.relative_to(reports).as_posix())
    return (
        f'<li><a href="/{link}">{escape(_title(page))}</a>'
        f'<time datetime="{written.isoformat()}">{written:%Y-%m-%d %H:%M} UTC</time></li>'
    )


def _title(page: Path) -> str:
    """What a page calls itself, or else its file's name."""
    with page.open("rb") as file:
        head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    found = _TITLE.search(head)
    return " ".join(unescape(found[1]).split()) if found else page.stem.replace("_", " ")
