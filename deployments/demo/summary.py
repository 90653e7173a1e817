"""What came of the year: a row for each month, and whether each retrain paid."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from deployments.demo.story import FIRST, LATER, close_of
from infra.addresses import Addresses
from infra.errors import BackendError, few
from infra.ledger import Kind, Ledger, Recorded
from infra.models import load_model, predict_scores
from infra.store import get_bytes, uri
from tasks.data import read_history
from tasks.frames import feature_rows
from tasks.governance.recording import verdict_of
from tasks.metrics import direction, score
from tasks.references import (
    Candidate,
    Ending,
    Evidence,
    FeatureTable,
    Inspection,
    Manifest,
    Subject,
)
from tasks.registry.crownings import CROWNINGS
from tasks.spec import ModelSpec, load_spec


class Month(BaseModel):
    """One month of the story, as ledger and tables tell it."""

    model_config = ConfigDict(frozen=True)

    month: str
    rows: int
    refused: int
    verdict: str = ""
    metric: float | None = None
    version: int | None = None
    action: str = ""
    paid: float | None = None


def collect(model: str) -> list[Month]:
    """The months of the story; asks ledger and store, so the stack must be up.

    Raises:
        BackendError: months of the story, or every training of it, are missing.
    """
    spec, entries = load_spec(model), Ledger().entries(model=model)
    manifests = told(model, read_history.fn(model, close_of(LATER[-1])).manifests)
    table, versions = _trained(model, entries)
    return [
        _month(spec, manifests[window], entries, _Past(table, versions)) for window in FIRST + LATER
    ]


def told(model: str, manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Window to manifest, of every month of the story.

    Raises:
        BackendError: some months were not ingested.
    """
    by_window = {manifest.window: manifest for manifest in manifests}
    missing = [window for window in FIRST + LATER if window not in by_window]
    if missing:
        raise BackendError(
            f"{len(missing)} months of {model} were not ingested: {few(missing)}.", hint=_AGAIN
        )
    return by_window


def show(
    console: Console, months: Sequence[Month], addresses: Addresses, *, stays: bool = False
) -> None:
    """Print the table and the addresses of what a person should look at.

    Args:
        console: where to.
        months: the rows of the table.
        addresses: of the stack.
        stays: whether the stack is still up.
    """
    table = Table(title="flights of 2013, month by month", title_justify="left")
    for name in ("month", "rows", "refused", "verdict", "AUC", "version", "action", "paid"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for month in months:
        table.add_row(*_cells(month))
    console.print(table)
    console.print(
        "[dim]AUC: of the version in charge on the month's own labels. paid: that AUC less what "
        "the version before it has on the same rows; of a challenger that was refused or turned "
        "down nothing is known but what its gates said.[/dim]\n"
    )
    if stays:
        console.print("The stack was up before and stays up; look at:")
    else:
        console.print("[bold]make up[/bold] brings all of this back to look at:")
    for what, where in (
        ("runs, reviews and their forms", addresses.prefect_ui),
        ("models, metrics and versions", addresses.mlflow),
        ("reports of batches, trainings and months", addresses.pages),
    ):
        console.print(f"  {what:<42} {where}")


_AGAIN = "Run `make demo` again: what is finished is not done again."
_NUMBERS = {"rows", "refused", "AUC", "version", "paid"}


def _cells(month: Month) -> tuple[str, ...]:
    colour = "green" if (month.paid or 0) > 0 else "red"
    return (
        month.month,
        f"{month.rows:,}",
        f"{month.refused:,}" if month.refused else "",
        month.verdict,
        "" if month.metric is None else f"{month.metric:.3f}",
        "" if month.version is None else str(month.version),
        month.action,
        "" if month.paid is None else f"[{colour}]{month.paid:+.3f}[/{colour}]",
    )


class _Past:
    """What earlier versions would have done on later months."""

    def __init__(self, table: FeatureTable, versions: dict[int, Candidate]) -> None:
        self._table, self.versions = table, versions

    def metric(self, spec: ModelSpec, version: int, window: str) -> float:
        label, fitted = spec.data.label, self.versions[version].fitted
        rows = feature_rows(self._table, [window], labelled=True)
        model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
        scores = predict_scores(model, rows[list(self._table.features)], label.kind)
        truth = rows[label.name].to_numpy("float64")
        return score(spec.evaluation.metric, label.kind, truth, scores)


def _trained(model: str, entries: Sequence[Recorded]) -> tuple[FeatureTable, dict[int, Candidate]]:
    """The newest feature table that a candidate was trained from, and every promoted version."""
    promoted = [entry for entry in entries if entry.kind in CROWNINGS]
    crowned = [Candidate.model_validate(entry.payload["candidate"]) for entry in promoted]
    newest = max(filter(_is_gate, entries), key=lambda entry: entry.as_of, default=None)
    if newest is None:
        raise BackendError(f"No candidate of {model} came before the gates.", hint=_AGAIN)
    table = Candidate.model_validate(_evidence(newest).payload["candidate"]).fitted.split.table
    return table, {candidate.version: candidate for candidate in crowned}


def _month(spec: ModelSpec, manifest: Manifest, entries: Sequence[Recorded], past: _Past) -> Month:
    window = manifest.window
    rows = sum(table.rows for table in manifest.tables if table.table == "flights")
    said = [entry for entry in entries if entry.as_of == close_of(window)]
    refused = sum(manifest.quarantined.values()) + _turned_down(said)
    drift = next((entry for entry in reversed(said) if entry.kind == Kind.DRIFT), None)
    action = _action(said)
    if drift is None:
        return Month(month=window, rows=rows, refused=refused, action=action)
    verdict = verdict_of(drift)
    metric = verdict.metrics.get(spec.evaluation.metric)
    earlier = [version for version in sorted(past.versions) if version < verdict.champion]
    paid = None
    if earlier and metric is not None:
        gain = metric - past.metric(spec, earlier[-1], window)
        paid = gain * direction(spec.evaluation.metric)
    return Month(
        month=window,
        rows=rows,
        refused=refused,
        verdict=verdict.action.value,
        metric=metric,
        version=verdict.champion,
        action=action,
        paid=paid,
    )


def _action(said: Sequence[Recorded]) -> str:
    """What followed, in the ledger's order and a few words."""
    versions = {entry.evidence: entry.payload["version"] for entry in said if _is_gate(entry)}
    return ", ".join(filter(None, (_words(entry, versions) for entry in said)))


def _words(entry: Recorded, versions: Mapping[str, object]) -> str:
    if _is_gate(entry) and entry.payload["verdict"] == "refuse":
        return f"gates refuse v{entry.payload['version']}"
    if entry.kind == Kind.REVIEW and entry.evidence not in versions:
        return f"batch {'let in' if entry.payload['approved'] else 'turned down'}"
    if entry.kind == Kind.REVIEW and not entry.payload["approved"]:
        return f"v{versions[entry.evidence]} turned down"
    if entry.kind == Kind.PROMOTION:
        version = Candidate.model_validate(entry.payload["candidate"]).version
        return f"v{version} {'promoted' if entry.actor == 'gate' else 'approved'}"
    return ""


def _is_gate(entry: Recorded) -> bool:
    return entry.kind == Kind.GATE


def _turned_down(said: Sequence[Recorded]) -> int:
    """Rows of the tables for which a reviewer turned a batch down."""
    rows = 0
    for entry in said:
        if entry.kind == Kind.REVIEW and entry.payload["subject"] == Subject.BATCH:
            if not entry.payload["approved"]:
                seen = Inspection.model_validate(_evidence(entry).payload["inspection"])
                held = {each.table for each in seen.findings if each.ending == Ending.HOLD}
                rows += sum(table.rows for table in seen.staged if table.table in held)
    return rows


def _evidence(entry: Recorded) -> Evidence:
    text = get_bytes(uri("evidence", entry.model, f"{entry.evidence}.json"))
    return Evidence.model_validate_json(text)
