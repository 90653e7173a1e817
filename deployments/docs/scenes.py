"""What is shown: the pages that a person opens after the demo, in the order of the tour."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from deployments.docs.camera import Camera
from deployments.pages.gathering import report_of
from infra.addresses import addresses
from infra.entries import Kind
from infra.errors import BackendError
from infra.ledger import Ledger, Recorded
from tasks.governance import read_evidence
from tasks.governance.recording import verdict_of
from tasks.governance.reviews import Pending, pending_reviews
from tasks.references import Candidate, Inspection, Subject

_MODEL: Final = "flights"
_PATIENCE_S: Final = 120.0
_POLL_S: Final = 0.5
_WATCHED: Final = "2013-11"
"""The month whose watching is shown: late in the year, with months before it in the picture."""

_REASON: Final = "Distances are in kilometres, not in miles."


def is_told() -> bool:
    """Whether the demo's year is in the ledger, to its last candidate."""
    from deployments.demo.story import LATER, close_of

    last = close_of(LATER[-1])
    return any(entry.as_of == last for entry in Ledger().entries(_MODEL, Kind.GATE))


def take(camera: Camera) -> Iterator[Path]:
    """Each picture as it is taken; the stack must be up and hold the demo's year.

    Raises:
        BackendError: a review does not come to wait, or a page is not what it should be.
    """
    review = _waiting_review()
    found = addresses()
    camera.open(f"{found.prefect_ui}/runs", "flights-2013-12", height=1300)
    yield camera.take("runs")
    camera.open(_held_report(), "Findings", height=1000)
    yield camera.take("report")
    _fill(camera.open(review.run_url, "Resume", height=1000))
    yield camera.take("review")
    _refuse(camera.page)
    camera.open(_last_training(), "On the holdout", height=1000)
    yield camera.take("training")
    camera.open(_watched_report(), "Numbers", height=1150)
    yield camera.take("monitoring")
    _open_registry(camera)
    yield camera.take("registry")
    camera.open(f"{found.pages}/models/{_MODEL}", "Rows and labels", height=2420)
    yield camera.take("model")
    camera.open(f"{found.pages}/models", "Will this flight", height=380)
    yield camera.take("models")


def _watched_report() -> str:
    """The page of the newest verdict on the month that is shown."""
    drifts = Ledger().entries(_MODEL, Kind.DRIFT)
    seen = [each for each in drifts if verdict_of(each).window == _WATCHED]
    if not seen:
        raise BackendError(f"The ledger holds no verdict on {_WATCHED} of {_MODEL}.")
    return report_of(_MODEL, _WATCHED, verdict_of(seen[-1]).digest)


def _waiting_review() -> Pending:
    """A review of a month in kilometres that waits for an answer; asked for where none does."""
    from deployments.demo.conductor import Conductor
    from deployments.demo.story import BROKEN, broken_delivery, close_of

    if not _batches():
        # An hour later each time: what was decided once is not asked about again.
        asked = len(_questions())
        files = {"flights": str(broken_delivery())}
        with Conductor(_MODEL, lambda _line: None) as conductor:
            as_of = close_of(BROKEN) + timedelta(hours=asked)
            conductor.run("ingest", window=BROKEN, as_of=as_of, files=files)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        for each in _batches():
            if each.state == "Suspended":
                return each
        time.sleep(_POLL_S)
    raise BackendError(f"No review of {_MODEL} came to wait within {_PATIENCE_S:.0f} s.")


def _batches() -> list[Pending]:
    return [each for each in pending_reviews(_MODEL) if each.subject == Subject.BATCH]


def _questions() -> list[Recorded]:
    asked = Ledger().entries(_MODEL, Kind.QUESTION)
    return [each for each in asked if each.payload["subject"] == Subject.BATCH]


def _held_report() -> str:
    """The report of the month that the demo's reviewer refused."""
    evidence = read_evidence.fn(str(_questions()[0].payload["uri"]))
    return Inspection.model_validate(evidence.payload["inspection"]).report_url


def _fill(page: Page) -> None:
    page.get_by_role("button", name="Resume").click()
    form = page.locator(".p-modal__card")
    form.locator(".p-select").get_by_role("button").press("ArrowDown")
    page.locator(".p-select-option", has_text="refuse").click()
    reason, reviewer = (form.locator("textarea").nth(place) for place in range(2))
    reason.fill(_REASON)
    reviewer.fill("reviewer on duty")
    reviewer.blur()


def _refuse(page: Page) -> None:
    """Hand the filled form over, so that nothing waits when the pictures are taken."""
    form = page.locator(".p-modal__card")
    form.get_by_role("button", name="Submit").click()
    form.wait_for(state="hidden")
    page.get_by_text("Refused", exact=True).first.wait_for(timeout=_PATIENCE_S * 1000)


def _last_training() -> str:
    """The page with what the gates said last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    key = ArtifactFilter(key=ArtifactFilterKey(any_=[f"train-{_MODEL}"]))
    with get_client(sync_client=True) as client:
        (last,) = client.read_artifacts(
            artifact_filter=key, sort=ArtifactSort.CREATED_DESC, limit=1
        )
    return f"{addresses().prefect_ui}/artifacts/artifact/{last.id}"


def _open_registry(camera: Camera) -> None:
    """MLflow's page of the version in charge, without the assistant beside it."""
    crowned = [*Ledger().entries(_MODEL, Kind.PROMOTION)][-1]
    version = Candidate.model_validate(crowned.payload["candidate"]).version
    address = f"{addresses().mlflow}/#/models/{_MODEL}/versions/{version}"
    page = camera.open(address, "Description", width=1660, height=1000)
    page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click()
