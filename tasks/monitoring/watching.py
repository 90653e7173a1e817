"""Watching a window: read what was predicted and what came, judge, and show it."""

from typing import TYPE_CHECKING

from infra.addresses import addresses
from infra.models import load_model, predict_scores
from infra.settings import settings
from infra.steps import step
from infra.store import digest_of, put_bytes
from tasks.data.spec import DataSpec, LabelSpec
from tasks.evaluation.spec import EvaluationSpec
from tasks.monitoring.reporting import COMPARISON, PAGE, PICTURE, folder_of, put_contents
from tasks.monitoring.spec import MonitoringSpec, RosterSpec
from tasks.references import (
    Candidate,
    Champion,
    Contest,
    DriftVerdict,
    FeatureTable,
    Predictions,
    TurnedDown,
)

if TYPE_CHECKING:
    from tasks.monitoring.attribution import Contributions
    from tasks.monitoring.causes import Observation
    from tasks.monitoring.learned import Learned
    from tasks.monitoring.observing import Watched


@step
def watch(
    predictions: Predictions,
    contest: Contest,
    table: FeatureTable,
    monitoring: MonitoringSpec,
    data: DataSpec,
    evaluation: EvaluationSpec,
) -> DriftVerdict:
    """What follows from a window: rest, alert, ask or retrain, with reasons and a report.

    Nothing later than the window or than the table's time has any influence. A window that never
    came, or that nobody predicted, has its verdict too.

    Raises:
        DataError: the features lack one that the champion needs, or it knows nothing of the metric.
        IntegrityError: rows are not those that were recorded.
    """
    from tasks.monitoring.observing import observe

    watched = read_window(predictions, contest.champion, table, monitoring, data, evaluation)
    seen = observe(watched, monitoring)
    verdict = conclude(watched, seen, contest, table, monitoring)
    _publish(verdict, watched, contest, seen, monitoring)
    return verdict


def read_window(
    predictions: Predictions,
    champion: Champion,
    table: FeatureTable,
    monitoring: MonitoringSpec,
    data: DataSpec,
    evaluation: EvaluationSpec,
) -> "Watched":
    """Everything that a window is judged by.

    Raises:
        ConfigError: rosters or slices name a column that the features do not hold.
        DataError: the features lack one that the champion needs.
        IntegrityError: rows are not those that were recorded.
    """
    from tasks.monitoring import sources
    from tasks.monitoring.learned import learned
    from tasks.monitoring.observing import Watched

    label = data.label
    known = learned(champion.candidate.profiled) if champion.candidate.profiled else None
    parts = monitoring.slices.columns if monitoring.slices else ()
    extra = [*(each.column for each in monitoring.rosters), *parts]
    rows = sources.window_rows(predictions, table, label, extra)
    until = sources.come_until(rows.frame, table.as_of)
    usual = sources.usual_rows(predictions.window, table, until, data.timezone)
    return Watched(
        predictions=predictions,
        champion=champion,
        learned=known,
        features=sources.window_features(known.features, predictions, table, monitoring.report_rows)
        if known and len(rows.frame) >= monitoring.min_rows
        else None,
        window=rows.frame,
        holdout=sources.holdout_rows(champion),
        since=sources.rows_since(champion.candidate, predictions, table),
        usual_rows=usual,
        label=label,
        metric=evaluation.metric,
        as_of=table.as_of,
        timezone=data.timezone,
        repeated=rows.repeated,
        strangers=rows.strangers,
        rosters=rosters_of(champion.model, monitoring, known, usual or len(rows.frame)),
        incident=next((e for e in table.incidents if e.window == predictions.window), None),
        newest=sources.newest_end(table, data.timezone),
        contributions=contributions(champion, known, label, monitoring),
    )


def conclude(
    watched: "Watched",
    seen: "Observation",
    contest: Contest,
    table: FeatureTable,
    monitoring: MonitoringSpec,
) -> DriftVerdict:
    """The verdict of what was seen; its report lies where `report` writes it."""
    from tasks.monitoring import sources
    from tasks.monitoring.observing import numbers
    from tasks.monitoring.unjudged import unjudged
    from tasks.monitoring.verdict import judge

    champion, predictions = watched.champion, watched.predictions
    action, reasons, causes = judge(seen, monitoring)
    psi = {name: each.psi for name, each in seen.drift.features.items()} if seen.drift else {}
    found = numbers(watched, seen, monitoring)
    inputs = (predictions.digest, champion.entry, table.digest, table.as_of, monitoring)
    digest = digest_of(inputs, action, reasons, psi, found)
    folder = folder_of(champion.model, predictions.window, digest)
    return DriftVerdict(
        model=champion.model,
        window=predictions.window,
        as_of=table.as_of,
        action=action,
        reasons=reasons,
        causes=tuple(each.model_copy(update={"windows": (predictions.window,)}) for each in causes),
        unjudged=unjudged(seen, monitoring),
        coverage=seen.coverage.ages if seen.coverage else (),
        absent={each.column: each.names for each in seen.absences if each.names},
        slices=seen.slices,
        attribution=dict(seen.attribution.now) if seen.attribution else {},
        missing={name: each.missing for name, each in seen.drift.features.items()}
        if seen.drift
        else {},
        drift=psi,
        moved=tuple(seen.drift.moved(monitoring.psi)) if seen.drift else (),
        metrics=found,
        champion=champion.version,
        rows=seen.rows,
        data_version=table.history,
        turned_down=_turned_down(contest.turned_down, predictions, table),
        growth=sources.growth_since(champion.candidate, predictions, table),
        report_url=addresses().page(folder / PAGE),
        digest=digest,
    )


def contributions(
    champion: Champion, known: "Learned | None", label: LabelSpec, monitoring: MonitoringSpec
) -> "Contributions | None":
    """What the features contribute to what the champion says; None where nobody declared it."""
    from tasks.monitoring.attribution import Contributions

    if monitoring.attribution is None or known is None:
        return None
    fitted = champion.candidate.fitted
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    learned = known.sample[list(known.features.columns)]
    return Contributions(
        lambda rows: predict_scores(model, rows, label.kind), learned, monitoring.attribution
    )


def rosters_of(
    model: str, monitoring: MonitoringSpec, known: "Learned | None", rows: float
) -> tuple[tuple[RosterSpec, frozenset[str]], ...]:
    """Who must have a prediction, as declared and by name."""
    from tasks.monitoring.rosters import names_of

    folder, learned = settings().models / model, known.features if known else None
    return tuple((each, names_of(each, folder, learned, rows)) for each in monitoring.rosters)


def _turned_down(
    challenger: Candidate | None, predictions: Predictions, table: FeatureTable
) -> TurnedDown | None:
    from tasks.monitoring import sources

    if challenger is None:
        return None
    growth = sources.growth_since(challenger, predictions, table)
    return TurnedDown(version=challenger.version, as_of=challenger.as_of, growth=growth)


def _publish(
    verdict: DriftVerdict,
    watched: "Watched",
    contest: Contest,
    seen: "Observation",
    monitoring: MonitoringSpec,
) -> None:
    """Write what the report shows; its page is written when it is known what follows."""
    from tasks.monitoring.observing import course
    from tasks.monitoring.page import Contents
    from tasks.monitoring.picture import draw

    folder = folder_of(verdict.model, verdict.window, verdict.digest)
    title = f"{verdict.model} {verdict.window}"
    image = draw(
        title, seen.drift, monitoring.psi, course(watched, contest.course, seen), seen.slices
    )
    put_bytes(str(folder / PICTURE), image)
    compared = _comparison(watched, monitoring)
    if compared is not None:
        put_bytes(str(folder / COMPARISON), compared)
    contents = Contents(
        verdict=verdict,
        drift=seen.drift,
        threshold=monitoring.psi,
        metric=watched.metric,
        has_comparison=compared is not None,
    )
    put_contents(folder, contents)


def _comparison(watched: "Watched", monitoring: MonitoringSpec) -> bytes | None:
    """Evidently's page of some rows of the window beside some that the champion learned from."""
    from tasks.monitoring.comparison import comparison_page

    if watched.learned is None or watched.features is None:
        return None
    table = watched.champion.candidate.fitted.split.table
    return comparison_page(
        f"{watched.champion.model} {watched.predictions.window}: distributions of the features",
        watched.learned.sample,
        watched.features.sample,
        table.categorical,
        monitoring.psi,
    )
