"""A scrape: the numbers of all models as text, however much of it is broken."""

from collections.abc import Iterator
from functools import lru_cache
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from deployments.metrics.declarations import Declarations, Declared
from deployments.metrics.families import Sheet
from deployments.metrics.prefect_runs import Runs, RunWatch
from deployments.metrics.tally import Standing, Tally
from deployments.metrics.verdicts import tell_verdict
from deployments.upkeep import last_upkeep
from infra.errors import BackendError, PerennialError


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
        runs = self._runs.look()
        for name, whose, value in _samples(runs):
            if whose[0] in self._declared.known:
                sheet.put(name, value, *whose)


def _samples(runs: Runs) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """What is told of runs, by the model and what else a name has for labels."""
    for whose, due in runs.next.items():
        yield "perennial_run_next_timestamp_seconds", whose, due.timestamp()
    for whose, count in runs.late.items():
        yield "perennial_runs_late", whose, count
    for whose, (end, failed) in runs.ended.items():
        yield "perennial_run_end_timestamp_seconds", whose, end.timestamp()
        yield "perennial_run_failed", whose, failed
    for which, count in runs.counts.items():
        yield "perennial_runs_ended_total", which, count
    for whose, count in runs.made_up.items():
        yield "perennial_runs_made_up_total", whose, count


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
    if standing.findings is not None:
        sheet.put("perennial_batch_findings", standing.findings[1], model)
    sheet.put("perennial_records_unreadable", standing.unreadable, model)
    if standing.data_end is not None:
        sheet.put("perennial_data_end_timestamp_seconds", standing.data_end.timestamp(), model)
    _tell_champion(sheet, model, standing, metric)
    _tell_reviews(sheet, model, standing)
    _tell_proof(sheet, model, standing)
    _tell_trainings(sheet, model, standing)
    for resource, most in declared.budget.items() if declared else ():
        sheet.put("perennial_budget_limit", most, model, resource)
    if standing.judged is not None:
        tell_verdict(sheet, model, standing.judged, declared)


def _tell_champion(sheet: Sheet, model: str, standing: Standing, metric: str | None) -> None:
    champion = standing.champion
    if champion is None:
        return
    sheet.put("perennial_champion_version", champion.version, model)
    since = champion.since.timestamp()
    sheet.put("perennial_champion_since_timestamp_seconds", since, model)
    if standing.since is not None:
        at = standing.since.timestamp()
        sheet.put("perennial_champion_crowned_timestamp_seconds", at, model)
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


def _tell_trainings(sheet: Sheet, model: str, standing: Standing) -> None:
    for cause, hours in standing.gpu_hours.items():
        sheet.put("perennial_training_gpu_hours_total", hours, model, cause)
    if standing.begun:
        last = max(standing.begun).timestamp()
        sheet.put("perennial_training_wanted_timestamp_seconds", last, model)
    for resource, used in standing.used().items():
        sheet.put("perennial_budget_used", used, model, resource)


def _tell_proof(sheet: Sheet, model: str, standing: Standing) -> None:
    proved = standing.proved
    if proved is not None:
        sheet.put("perennial_proof_passed", proved.passed, model)
        sheet.put("perennial_proof_timestamp_seconds", proved.as_of.timestamp(), model)
        sheet.put("perennial_proof_false_alarms_per_year", proved.alarms_a_year, model)


def _of_upkeep(sheet: Sheet) -> None:
    """Its last end.

    Raises:
        BackendError: it has none.
        ConfigError: what was noted of it is damaged.
    """
    last = last_upkeep()
    if last is None:
        raise BackendError("The upkeep has never come to its end.", hint="Read upkeep.log.")
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
