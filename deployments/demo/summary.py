"""What came of the year: a row for each month, and whether each retrain paid."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from deployments.demo.story import FIRST, LATER, close_of
from infra.addresses import Addresses
from infra.ledger import Kind, Ledger, Recorded
from infra.models import load_model, predict_scores
from tasks.data import read_history
from tasks.frames import feature_rows
from tasks.metrics import direction, score
from tasks.references import Candidate, DriftVerdict, Evidence, FeatureTable, Manifest
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
    """The months of the story; asks ledger and store, so the stack must be up."""
    spec, entries = load_spec(model), Ledger().entries(model=model)
    manifests = {
        manifest.window: manifest
        for manifest in read_history.fn(model, close_of(LATER[-1])).manifests
    }
    table, versions = _trained(entries)
    return [
        _month(spec, manifests[window], entries, _Past(table, versions)) for window in FIRST + LATER
    ]


def show(console: Console, months: Sequence[Month], addresses: Addresses) -> None:
    """Print the table and the addresses of what a person should look at."""
    table = Table(title="flights of 2013, month by month", title_justify="left")
    for name in ("month", "rows", "refused", "verdict", "AUC", "version", "action", "paid"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for month in months:
        table.add_row(*_cells(month))
    console.print(table)
    console.print(
        "[dim]AUC: of the version in charge on the month's own labels. paid: that AUC less what "
        "the version before it has on the same rows.[/dim]\n"
    )
    console.print("[bold]make up[/bold] brings all of this back to look at:")
    for what, where in (
        ("runs, reviews and their forms", addresses.prefect_ui),
        ("models, metrics and versions", addresses.mlflow),
        ("reports of batches, trainings and months", addresses.pages),
    ):
        console.print(f"  {what:<42} {where}")


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


def _trained(entries: Sequence[Recorded]) -> tuple[FeatureTable, dict[int, Candidate]]:
    """The newest feature table that a candidate was trained from, and every promoted version."""
    promoted = [entry for entry in entries if entry.kind in {Kind.PROMOTION, Kind.ROLLBACK}]
    crowned = [Candidate.model_validate(entry.payload["candidate"]) for entry in promoted]
    newest = max(entries, key=lambda entry: (entry.kind == Kind.GATE, entry.as_of))
    return _table_of(newest), {candidate.version: candidate for candidate in crowned}


def _table_of(gate: Recorded) -> FeatureTable:
    from infra import store

    text = store.get_bytes(store.uri("evidence", gate.model, f"{gate.evidence}.json"))
    evidence = Evidence.model_validate_json(text)
    return Candidate.model_validate(evidence.payload["candidate"]).fitted.split.table


def _month(spec: ModelSpec, manifest: Manifest, entries: Sequence[Recorded], past: _Past) -> Month:
    window = manifest.window
    rows = sum(table.rows for table in manifest.tables if table.table == "flights")
    refused = sum(manifest.quarantined.values())
    said = [entry for entry in entries if entry.as_of == close_of(window)]
    drift = next((entry for entry in reversed(said) if entry.kind == Kind.DRIFT), None)
    action = _action(said)
    if drift is None:
        return Month(month=window, rows=rows, refused=refused, action=action)
    verdict = DriftVerdict.model_validate({**drift.payload, "reasons": (), "report_url": ""})
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
    return ", ".join(filter(None, (_words(entry) for entry in said)))


def _words(entry: Recorded) -> str:
    if entry.kind == Kind.GATE:
        return f"v{entry.payload['version']} {_GATES[str(entry.payload['verdict'])]}"
    if entry.kind == Kind.REVIEW:
        return "approved" if entry.payload["approved"] else "turned down"
    return _WORDS.get(entry.kind, "")


_WORDS = {
    Kind.HOLD: "batch held",
    Kind.REFUSAL: "batch refused",
    Kind.PROMOTION: "promoted",
    Kind.ROLLBACK: "rolled back",
}
_GATES = {"promote": "passed the gates", "ask": "proposed", "refuse": "refused by the gates"}
