"""A scrape: the numbers of all models as text, however much of it is broken."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from deployments.metrics.declarations import Declarations, Declared
from deployments.metrics.families import Sheet
from deployments.metrics.prefect_runs import RunWatch
from deployments.metrics.tally import Standing, Tally, end_of
from deployments.pages.course import value_of
from deployments.pages.story import Judged
from deployments.upkeep import last_upkeep
from infra.errors import PerennialError
from tasks.references import Action

MOST_FEATURES: Final = 500
"""Of one model: those that moved most. Each is a series that Prometheus keeps."""


class ModelMetrics(Collector):
    """The numbers of every declared model, gathered when they are asked for."""

    def __init__(self) -> None:
        self._tally, self._runs, self._declared = Tally(), RunWatch(), Declarations()
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        """Every family; a source that does not answer is told, and hides no other.

        Two that ask at once are answered one after the other: what is followed is followed once.
        """
        sheet = Sheet()
        with self._lock:
            self._fill(sheet)
        yield from sheet

    def describe(self) -> Iterator[Metric]:
        """Every family, without asking anybody."""
        return iter(Sheet())

    def _fill(self, sheet: Sheet) -> None:
        parts = {
            "declarations": self._of_declarations,
            "ledger": self._of_ledger,
            "prefect": self._of_prefect,
            "upkeep": _of_upkeep,
        }
        for source, part in parts.items():
            try:
                part(sheet)
            except PerennialError:
                sheet.put("perennial_source_up", 0, source)
            else:
                sheet.put("perennial_source_up", 1, source)

    def _of_declarations(self, sheet: Sheet) -> None:
        for model, declared in self._declared.look().items():
            sheet.put("perennial_declaration_valid", declared is not None, model)
            for name, limit in declared.limits.items() if declared else ():
                sheet.put("perennial_limit", limit, model, name)

    def _of_ledger(self, sheet: Sheet) -> None:
        """Where the database is away, what was counted before stands."""
        try:
            self._tally.follow()
        finally:
            sheet.put("perennial_ledger_records", self._tally.place)
            for model, declared in self._declared.known.items():
                tell(sheet, model, self._tally.models.get(model, Standing()), declared)

    def _of_prefect(self, sheet: Sheet) -> None:
        runs, known = self._runs.look(), self._declared.known
        for whose, at in runs.next.items():
            if whose[0] in known:
                sheet.put("perennial_run_next_timestamp_seconds", at.timestamp(), *whose)
        for whose, count in runs.late.items():
            if whose[0] in known:
                sheet.put("perennial_runs_late", count, *whose)
        for whose, (at, failed) in runs.ended.items():
            if whose[0] in known:
                sheet.put("perennial_run_end_timestamp_seconds", at.timestamp(), *whose)
                sheet.put("perennial_run_failed", failed, *whose)


def tell(sheet: Sheet, model: str, standing: Standing, declared: Declared | None) -> None:
    """Put down what the ledger says of one model.

    Args:
        sheet: where it goes.
        model: its name.
        standing: what the ledger says.
        declared: what its declaration says; None where that cannot be read.
    """
    metric = declared.metric if declared else None
    for (name, *labels), count in standing.counts.items():
        sheet.put(name, count, model, *labels)
    sheet.put("perennial_batches_held", len(standing.held), model)
    sheet.put("perennial_records_unreadable", standing.unreadable, model)
    if standing.data_end is not None:
        sheet.put("perennial_data_end_timestamp_seconds", standing.data_end.timestamp(), model)
    _tell_champion(sheet, model, standing, metric)
    _tell_reviews(sheet, model, standing)
    _tell_proof(sheet, model, standing)
    if standing.judged is not None:
        _tell_verdict(sheet, model, standing.judged)
        if declared is not None:
            _tell_declared(sheet, model, standing.judged, declared)


def _tell_champion(sheet: Sheet, model: str, standing: Standing, metric: str | None) -> None:
    champion = standing.champion
    if champion is None:
        return
    sheet.put("perennial_champion_version", champion.version, model)
    since = champion.since.timestamp()
    sheet.put("perennial_champion_since_timestamp_seconds", since, model)
    if standing.learned is not None:
        until = standing.learned.timestamp()
        sheet.put("perennial_champion_data_end_timestamp_seconds", until, model)
    measured = champion.candidate.evaluation.metrics
    if metric is not None and metric in measured:
        sheet.put("perennial_champion_metric", measured[metric], model, metric)


def _tell_reviews(sheet: Sheet, model: str, standing: Standing) -> None:
    waiting = list(standing.open.values())
    for subject in ("batch", "candidate", "drift"):
        count = sum(each.subject == subject for each in waiting)
        sheet.put("perennial_reviews_pending", count, model, subject)
    if waiting:
        oldest = min(each.since for each in waiting).timestamp()
        sheet.put("perennial_review_oldest_timestamp_seconds", oldest, model)
        first = min(each.deadline for each in waiting).timestamp()
        sheet.put("perennial_review_deadline_timestamp_seconds", first, model)


def _tell_proof(sheet: Sheet, model: str, standing: Standing) -> None:
    proved = standing.proved
    if proved is not None:
        sheet.put("perennial_proof_passed", proved.passed, model)
        sheet.put("perennial_proof_timestamp_seconds", proved.as_of.timestamp(), model)
        sheet.put("perennial_proof_false_alarms_per_year", proved.alarms_a_year, model)


def _tell_verdict(sheet: Sheet, model: str, judged: Judged) -> None:
    end = end_of(judged.window)
    if end is not None:
        sheet.put("perennial_window_end_timestamp_seconds", end.timestamp(), model)
    sheet.put("perennial_verdict_timestamp_seconds", judged.at.timestamp(), model)
    for action in Action:
        sheet.put("perennial_verdict_action", action is judged.action, model, action.value)
    for kind, weight in _weights(judged).items():
        sheet.put("perennial_verdict_cause_weight", weight, model, kind)
    sheet.put("perennial_verdict_unjudged", len(judged.unjudged), model)
    sheet.put("perennial_window_rows", judged.rows, model)
    if judged.labelled is not None:
        sheet.put("perennial_window_labelled_ratio", judged.labelled, model)
    for name, value in judged.metrics.items():
        sheet.put("perennial_window_number", value, model, name)
    moved = sorted(judged.psi.items(), key=lambda item: -item[1])[:MOST_FEATURES]
    for feature, psi in sorted(moved):
        sheet.put("perennial_feature_psi", psi, model, feature)


def _tell_declared(sheet: Sheet, model: str, judged: Judged, declared: Declared) -> None:
    """What a window has only where it is declared, none of it being a number too."""
    metric, numbers = declared.metric, judged.metrics
    value, expected = value_of(judged, metric), numbers.get(f"expected_{metric}")
    if value is not None:
        sheet.put("perennial_window_metric", value, model, metric)
    if expected is not None:
        sheet.put("perennial_window_metric_expected", expected, model, metric)
    if judged.labelled is not None:
        sheet.put("perennial_window_overdue", numbers.get("overdue", 0), model)
    if declared.objective:
        sheet.put("perennial_window_late_ratio", numbers.get("late", 0), model)
    if declared.rosters:
        sheet.put("perennial_window_absent", numbers.get("absent", 0), model)


def _weights(judged: Judged) -> Mapping[str, float]:
    """The heaviest cause of each kind beyond its limit."""
    found: dict[str, float] = {}
    for each in judged.causes:
        if each.action is not Action.REST:
            found[each.kind.value] = max(each.weight, found.get(each.kind.value, 0.0))
    return found


def _of_upkeep(sheet: Sheet) -> None:
    last = last_upkeep()
    if last is not None:
        sheet.put("perennial_upkeep_timestamp_seconds", last.timestamp())


def exposition(accepts: str) -> tuple[bytes, str]:
    """The text of a scrape and its type, in the form that the asker prefers."""
    encoder, kind = choose_encoder(accepts)
    return encoder(_registry()), kind


@lru_cache(maxsize=1)
def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ModelMetrics())
    return registry
