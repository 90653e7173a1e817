"""What a run's page in Prefect shows of a record: the numbers, and the links to open."""

from tasks.governance.pages import ingested_page, trained_page
from tasks.references import Bento, Candidate, Comparison, Evidence, Inspection, Verdict


def show_batch(inspection: Inspection) -> None:
    """Put how a batch ended on the page of the run that ingests it."""
    _show("ingest", inspection.delivery.model, *ingested_page(inspection))


def show_verdict(evidence: Evidence, verdict: Verdict) -> None:
    """Put what the gates said on the page of the run that trained the candidate."""
    parts = evidence.payload
    page = trained_page(
        Candidate.model_validate(parts["candidate"]),
        Bento.model_validate(parts["bento"]),
        Comparison.model_validate(parts["comparison"]),
        verdict,
    )
    _show("train", evidence.model, *page)


def _show(flow: str, model: str, title: str, markdown: str) -> None:
    from prefect.artifacts import create_markdown_artifact
    from prefect.context import TaskRunContext

    if TaskRunContext.get() is None:  # called as a plain function: there is no page
        return
    key = f"{flow}-{model}".replace("_", "-")  # Prefect's keys know no underscore
    create_markdown_artifact(key=key, markdown=markdown, description=title)
