"""The report of a verdict: made when it is known what follows from it, and kept for good."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from infra.addresses import addresses
from infra.settings import settings
from infra.steps import step
from infra.store import get_bytes, put_bytes
from tasks.references import Conclusion, DriftVerdict

if TYPE_CHECKING:
    from tasks.monitoring.page import Contents

PAGE: Final = "index.html"
PICTURE: Final = "picture.png"
COMPARISON: Final = "evidently.html"

_CONTENTS: Final = "contents.json"
_NAMED_BY: Final = 12


def folder_of(model: str, window: str, digest: str) -> Path:
    """Where the report of a verdict lies: one that is judged again has another."""
    reports = settings().home / "reports" / model / "monitor" / window
    return reports / digest[:_NAMED_BY]


def put_contents(folder: Path, contents: "Contents") -> None:
    """Keep what the page will show, until it is known what follows."""
    put_bytes(str(folder / _CONTENTS), _adapter().dump_json(contents))


@step(moving=True)
def report(verdict: DriftVerdict, conclusion: Conclusion) -> str:
    """Write the page of a verdict with what is done about it, and link it from the run.

    Returns:
        Its address.
    """
    from tasks.monitoring.page import render

    folder = folder_of(verdict.model, verdict.window, verdict.digest)
    contents = _adapter().validate_json(get_bytes(str(folder / _CONTENTS)))
    put_bytes(str(folder / PAGE), render(contents, conclusion))
    _link(verdict, conclusion, addresses().page(folder / PICTURE))
    return verdict.report_url


def _adapter() -> "TypeAdapter[Contents]":
    from tasks.monitoring.page import Contents

    return TypeAdapter(Contents)


def _link(verdict: DriftVerdict, conclusion: Conclusion, picture_url: str) -> None:
    """Show picture, reasons and link on the run's page; outside a run there is none."""
    from prefect.artifacts import create_image_artifact, create_markdown_artifact
    from prefect.context import TaskRunContext

    if TaskRunContext.get() is None:
        return
    key = f"monitor-{verdict.model.replace('_', '-')}"
    title = f"{verdict.model} {verdict.window}: {conclusion.state.lower()}"
    said = (*conclusion.why, *verdict.reasons, *verdict.remarks)
    reasons = "\n".join(f"- {each}" for each in said)
    create_markdown_artifact(
        key=key,
        markdown=f"## {title}\n\n{reasons}\n\n[Report]({verdict.report_url})\n\n"
        f"![PSI by feature, and the metric over the windows]({picture_url})\n",
        description=title,
    )
    create_image_artifact(image_url=picture_url, key=f"{key}-picture", description=title)
