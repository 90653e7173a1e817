"""What a reviewer sees and does in Prefect's own pages, and the reports that they lead to."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import TimeoutError as NotInTimeError
from prefect.client.orchestration import get_client

from deployments.pages.rendering import model_page
from infra.entries import Kind
from infra.ledger import Ledger, Recorded
from tasks.governance.reviews import Pending, pending_reviews
from tasks.references import Subject
from tests.support.browsed import MODEL
from tests.support.browsing import Seen
from tests.support.chronicle import year
from tests.support.mornings import facts
from tests.support.stack import Stack, eventually
from tests.support.starter import done

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium on the path"),
]

_PATIENCE_MS = 20_000
_MAKER = "tests.support.browsed"


class Made(NamedTuple):
    """What there is to look at."""

    report: str
    runs: dict[str, str]


@pytest.fixture(scope="module")
def made(_session_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A small model with two batches on hold, and a window that was watched."""
    folder = tmp_path_factory.mktemp("shop")
    with _session_stack.entered():
        models = str(folder / "models")
        ended = done(_MAKER, str(folder), within_s=180, PERENNIAL_MODELS=models)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return Made(**json.loads((folder / "made.json").read_text()))


def suspended(window: str) -> Pending:
    """The review of a window, once a person can answer it."""
    eventually(lambda: [each for each in _waiting(window) if each.state == "Suspended"], 60)
    return _waiting(window)[0]


def _waiting(window: str) -> list[Pending]:
    return [each for each in pending_reviews(MODEL) if f" {window} " in each.title]


def form(seen: Seen, review: Pending) -> Locator:
    """The form of a suspended run, opened as a reviewer opens it."""
    seen.page.goto(review.run_url)
    seen.page.get_by_role("button", name="Resume").click(timeout=_PATIENCE_MS)
    modal = seen.page.locator(".p-modal__card")
    expect(modal.get_by_role("heading", level=2)).to_be_visible(timeout=_PATIENCE_MS)
    return modal


def submit(seen: Seen, modal: Locator, *, approve: bool, reason: str, reviewer: str) -> None:
    """Fill the form in and hand it over."""
    choose(seen, modal, "approve" if approve else "refuse")
    for place, text in enumerate((reason, reviewer)):
        modal.locator("textarea").nth(place).fill(text)
    modal.get_by_role("button", name="Submit").click()
    expect(modal).to_be_hidden(timeout=_PATIENCE_MS)


def decision(review: Pending) -> Recorded:
    """What the ledger says of a review, once it was decided."""

    def recorded() -> list[Recorded]:
        entries = Ledger().entries(MODEL, Kind.REVIEW)
        return [entry for entry in entries if entry.evidence == review.evidence]

    eventually(recorded, 60)
    return recorded()[0]


def test_a_reviewer_reads_the_evidence_and_approves(stack: Stack, made: Made, seen: Seen) -> None:
    """Title, numbers, findings and link stand on the form; the answer stands in the ledger."""
    review = suspended("2024-02")

    modal = form(seen, review)
    seen.keep("form")
    told, links = modal.inner_text(), modal.get_by_role("link").all()
    reports = [link.get_attribute("href") for link in links]
    elements = modal.locator("article img, article script").count()
    findings = [each.bounding_box() for each in modal.locator("article li").all()]
    card = modal.bounding_box()
    submit(seen, modal, approve=True, reason="The shop weighs in grams now.", reviewer="ann")
    expect(seen.page.get_by_text("Approved", exact=True).first).to_be_visible(timeout=60_000)
    seen.keep("approved")

    assert "shop: the batch 2024-02 is on hold" in told
    assert "rows that passed" in told
    assert "300 rows (100%)" in told
    assert "img src=x" in told, "what a cell held is shown"
    assert "http://203.0.113.9/x a@b.c" in told, "as it was, and no link"
    assert "&" not in told
    assert "Decide by" in told
    assert elements == 0, "and not run"
    assert reports == [_report_of("2024-02", stack)]
    assert card is not None
    assert len(findings) == 2
    for box in findings:
        assert box is not None
        assert box["x"] + box["width"] <= card["x"] + card["width"], "nothing is cut off"
    recorded = decision(review)
    assert (recorded.actor, recorded.payload["approved"]) == ("ann", True)
    assert recorded.reason == "The shop weighs in grams now."
    assert "a dialog" not in seen.errors


def test_an_answer_without_a_reason_is_asked_for_again(
    stack: Stack, made: Made, seen: Seen
) -> None:
    """The run is not failed by it; it suspends anew and its form says what was missing."""
    review = suspended("2024-03")

    modal = form(seen, review)
    modal.get_by_role("button", name="Submit").click()
    seen.keep("empty")
    demanded = modal.inner_text()
    still = _gate(review)
    submit(seen, modal, approve=True, reason="no", reviewer="bob")
    eventually(lambda: _gate(review).endswith("-2-schema"), 60)
    modal = form(seen, review)
    seen.keep("again")
    told = modal.inner_text()
    submit(seen, modal, approve=False, reason="Wait for kilograms.", reviewer="bob")

    assert "(Optional)" not in demanded
    assert still.endswith("-1-schema"), "an empty form is handed to nobody"
    assert "Give a reason of at least 3 characters." in told
    recorded = decision(review)
    assert (recorded.actor, recorded.payload["approved"]) == ("bob", False)
    questions = [each.evidence for each in Ledger().entries(MODEL, Kind.QUESTION)]
    assert questions.count(review.evidence) == 1, "it was one question all the time"


def test_a_reviewer_of_drift_sees_its_picture_and_says_what_it_is(
    stack: Stack, made: Made, seen: Seen
) -> None:
    """Report and picture are linked, a cause is suggested, and the choice stands in the ledger."""
    eventually(lambda: [each for each in _about_drift() if each.state == "Suspended"], 60)
    [review] = _about_drift()

    modal = form(seen, review)
    seen.keep("drift")
    told = modal.inner_text()
    links = [str(link.get_attribute("href")) for link in modal.get_by_role("link").all()]
    picture = seen.page.request.get(links[-1])
    chosen = choose(seen, modal, "broken")
    seen.keep("broken")
    for place, text in enumerate(("The wind sensor is dead.", "ann")):
        modal.locator("textarea").nth(place).fill(text)
    modal.get_by_role("button", name="Submit").click()
    expect(modal).to_be_hidden(timeout=_PATIENCE_MS)
    expect(seen.page.get_by_text("Broken", exact=True).first).to_be_visible(timeout=60_000)
    seen.keep("ended")

    assert "What is it?" in told
    assert "What a reviewer of drift says" not in told
    assert "(Optional)" not in told
    assert "Approve" not in told
    assert links == [made.report, made.report.replace("index.html", "picture.png")]
    assert picture.ok
    assert picture.body().startswith(b"\x89PNG")
    assert chosen == "broken"
    recorded = decision(review)
    assert (recorded.actor, recorded.payload["diagnosis"]) == ("ann", "broken")
    assert "a dialog" not in seen.errors


def _about_drift() -> list[Pending]:
    return [each for each in pending_reviews(MODEL) if each.subject is Subject.DRIFT]


def choose(seen: Seen, modal: Locator, name: str) -> str:
    """What a form's list shows once one of its values was chosen."""
    field = modal.locator(".p-select")
    field.get_by_role("button").press("ArrowDown")  # a click of a machine opens and closes it
    seen.page.locator(".p-select-option", has_text=name).click(timeout=_PATIENCE_MS)
    chosen: str = field.inner_text()
    return chosen.strip()


def test_the_page_of_an_ingest_leads_to_its_report(stack: Stack, made: Made, seen: Seen) -> None:
    """Two clicks: the run's artifact, and the link in it; the report needs nobody else."""
    open_artifact(
        seen, stack.addresses.run(made.runs[f"ingest/{MODEL}-2024-02"]), f"ingest-{MODEL}"
    )
    link = seen.page.get_by_role("link", name="Report of the contract")
    address = link.get_attribute("href", timeout=_PATIENCE_MS)
    seen.keep("artifact")
    seen.leave()  # Prefect's page looks for icons that it does not have, and draws until the end

    seen.page.goto(str(address))

    seen.keep("report")
    told = seen.page.locator("main").inner_text()
    assert address == _report_of("2024-02", stack)
    assert "The delivery is held for a person" in told
    assert "img src=x onerror=alert(1)" in told
    assert seen.page.locator("img, script").count() == 0
    assert seen.errors == []


def test_the_page_of_a_watched_window_leads_to_its_report(
    stack: Stack, made: Made, seen: Seen
) -> None:
    """The picture is there, and Evidently's page beside it draws without asking anybody."""
    open_artifact(seen, stack.addresses.run(made.runs["watching/rides"]), "monitor-rides")
    link = seen.page.get_by_role("link", name="Report", exact=True)
    expect(link).to_have_attribute("href", made.report, timeout=_PATIENCE_MS)
    seen.leave()  # Prefect's page looks for icons that it does not have, and draws until the end

    seen.page.goto(made.report)
    seen.keep("monitor")
    picture_width = seen.page.evaluate("document.querySelector('img').naturalWidth")
    seen.page.get_by_role("link", name="Evidently").click()
    expect(seen.page.get_by_text("Drift in column 'hour'")).to_be_visible(timeout=_PATIENCE_MS)
    seen.keep("evidently")

    assert picture_width > 1000
    assert seen.errors == []


def open_artifact(seen: Seen, run: str, key: str) -> None:
    """Open an artifact from a run's page.

    On a machine without a core to spare a list that was asked for while the page was still being
    drawn stays empty: then the page is opened again, as a person would.
    """
    for tries_left in (2, 1, 0):
        seen.page.goto(run)
        seen.page.get_by_text("Artifacts", exact=True).click(timeout=_PATIENCE_MS)
        try:
            seen.page.get_by_text(key, exact=True).last.click(timeout=_PATIENCE_MS / 2)
        except NotInTimeError:
            if not tries_left:
                raise
        else:
            return


def test_the_list_of_reports_names_each_by_its_title(stack: Stack, made: Made, seen: Seen) -> None:
    """Whoever opens the report server finds a report without knowing its address."""
    seen.page.goto(stack.addresses.pages)
    seen.keep("index")

    link = seen.page.get_by_role("link", name=f"{MODEL} 2024-02: hold")

    assert link.get_attribute("href") == _report_of("2024-02", stack).removeprefix(
        stack.addresses.pages
    )
    assert seen.errors == []


def test_a_deployment_leads_to_the_page_of_its_model(stack: Stack, made: Made, seen: Seen) -> None:
    """The link in its description opens the page, which draws without asking anybody."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"train/{MODEL}").id
    seen.page.goto(f"{stack.addresses.prefect_ui}/deployments/deployment/{deployment}")
    seen.page.get_by_text("Description", exact=True).first.click(timeout=_PATIENCE_MS)
    link = seen.page.get_by_role("link", name="How the model stands").first
    address = str(link.get_attribute("href", timeout=_PATIENCE_MS))
    seen.leave()  # Prefect's page looks for icons that it does not have, and draws until the end

    seen.page.goto(address)

    seen.keep("model")
    told = seen.page.locator("main").inner_text()
    assert address == f"{stack.addresses.pages}/models/{MODEL}"
    assert any(
        each in told for each in ("Nothing is in charge yet", "decision waits", "decisions wait")
    )
    assert seen.page.locator("img, script").count() == 0, "what a cell held is not run"
    assert seen.errors == []
    wide = seen.page.evaluate("document.documentElement.scrollWidth")
    seen.page.set_viewport_size({"width": 390, "height": 844})
    narrow = seen.page.evaluate("document.documentElement.scrollWidth")
    seen.keep("model on a phone")
    assert (wide, narrow) == (1300, 390), "nothing is cut off, on a phone either"


def test_a_model_page_opens_from_a_disk(made: Made, seen: Seen, tmp_path: Path) -> None:
    """In the dark and in the light it asks nobody, and its tables open by the keyboard."""
    page = tmp_path / "page.html"
    page.write_text(model_page(facts(year().records)), encoding="utf-8")

    for scheme in ("dark", "light"):
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.goto(page.as_uri())
        seen.keep(f"model in the {scheme}")
    seen.page.locator("summary").first.focus()
    seen.page.keyboard.press("Enter")

    expect(seen.page.get_by_role("cell", name="It fell <b>short</b>.").first).to_be_visible()
    expect(seen.page.get_by_role("img", name="roc_auc over the windows")).to_be_visible()
    assert seen.page.get_by_role("heading").count() >= 5
    assert seen.errors == []


def _report_of(window: str, stack: Stack) -> str:
    (page,) = (stack.home / "reports" / MODEL / "ingest").glob(f"{window}-*.html")
    return stack.addresses.page(Path(page))


def _gate(review: Pending) -> str:
    """Prefect's name of the form that a run waits at; empty while it waits at none."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(review.run_id)).state
    keys = state.state_details.run_input_keyset if state and state.is_paused() else None
    return (keys or {}).get("schema", "")
