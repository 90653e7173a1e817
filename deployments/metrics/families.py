"""The names that Prometheus sees, each with what it means and its labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_MODEL: Final = ("model",)


@dataclass(frozen=True)
class Family:
    """One name.

    Attributes:
        text: what it means.
        labels: few values each: models, features, flows, and words of a fixed list.
        counts: whether it only ever grows.
    """

    text: str
    labels: tuple[str, ...] = _MODEL
    counts: bool = False


FAMILIES: Final = {
    # who is in charge
    "perennial_champion_version": Family("Version in charge."),
    "perennial_champion_since_timestamp_seconds": Family(
        "Logical time from which it is in charge."
    ),
    "perennial_champion_crowned_timestamp_seconds": Family(
        "When it was put in charge, by the clock."
    ),
    "perennial_champion_data_end_timestamp_seconds": Family(
        "End of the newest window that it learned from."
    ),
    "perennial_champion_metric": Family(
        "The metric of the gates on the holdout of the version in charge.", ("model", "metric")
    ),
    # data
    "perennial_data_end_timestamp_seconds": Family("End of the newest window that was let in."),
    "perennial_batches_held": Family("Windows whose newest delivery was held or rejected."),
    "perennial_batches_total": Family("Deliveries by how they ended.", ("model", "ending"), True),
    "perennial_batch_findings": Family("What the contract found in the newest delivery."),
    # the newest verdict
    "perennial_window_end_timestamp_seconds": Family("End of the window that was judged last."),
    "perennial_verdict_timestamp_seconds": Family("When a window was judged last."),
    "perennial_verdict_action": Family(
        "1 for what was done about the window that was judged last.", ("model", "action")
    ),
    "perennial_verdict_asked": Family(
        "1 for what that window asked for, before the policy.", ("model", "action")
    ),
    "perennial_policy_held": Family(
        "1 for each thing that made less of it than it asked for.", ("model", "reason")
    ),
    "perennial_verdict_cause_weight": Family(
        "Causes of the last verdict: how far beyond its limit, 0 to 1.", ("model", "kind")
    ),
    "perennial_verdict_unjudged": Family("What could not be judged of that window."),
    "perennial_window_rows": Family("Rows of that window."),
    "perennial_window_volume_ratio": Family("Its rows as a share of those that are usual."),
    "perennial_window_unscored_ratio": Family("Share of its rows without a prediction."),
    "perennial_window_set_aside_ratio": Family("Share of its batch that the contract set aside."),
    "perennial_window_impossible_rows": Family(
        "Predictions that came twice or of no row of it, rows of another time, labels before them."
    ),
    "perennial_window_labelled_ratio": Family("Share of its predictions whose label is known."),
    "perennial_labels_by_age_ratio": Family(
        "The same by the age of the rows: part 1 are the youngest, seven at most.",
        ("model", "part"),
    ),
    "perennial_labels_by_age_days": Family(
        "How old the rows of such a part were at most.", ("model", "part")
    ),
    "perennial_window_overdue": Family("Predictions of it whose label should have come."),
    "perennial_window_late_ratio": Family(
        "Share of its predictions that came late; where an objective is declared."
    ),
    "perennial_window_absent": Family(
        "Who should have a prediction in it and has none; where rosters are declared."
    ),
    "perennial_window_metric": Family(
        "The metric of the gates in that window: by labels, or estimated before they come.",
        ("model", "metric"),
    ),
    "perennial_window_metric_expected": Family(
        "What the confidence of the version in charge let expect of it.", ("model", "metric")
    ),
    "perennial_window_number": Family(
        "Every number behind the last verdict, by its name in the report.", ("model", "name")
    ),
    "perennial_limit": Family(
        "Numbers that are declared, by their place in the declaration; times in seconds.",
        ("model", "name"),
    ),
    "perennial_feature_psi": Family(
        "PSI of a feature in that window against the training rows.", ("model", "feature")
    ),
    "perennial_feature_missing_ratio": Family(
        "Share of rows without a value of a feature in that window.", ("model", "feature")
    ),
    "perennial_feature_attribution_ratio": Family(
        "Its share in what was predicted; where attribution is declared.", ("model", "feature")
    ),
    "perennial_slice_metric": Family(
        "The metric of the gates on a part of that window.", ("model", "column", "value")
    ),
    "perennial_slice_further": Family(
        "How much further than at promotion it falls short there.", ("model", "column", "value")
    ),
    "perennial_slice_beyond": Family(
        "1 where that is too much, and no chance.", ("model", "column", "value")
    ),
    # what was decided
    "perennial_verdicts_total": Family("Windows judged.", ("model", "action"), True),
    "perennial_trainings_total": Family(
        "Trainings that came before the gates.", ("model", "cause", "verdict"), True
    ),
    "perennial_training_gpu_hours_total": Family(
        "Hours of a whole GPU that those trainings took.", ("model", "cause"), True
    ),
    "perennial_training_wanted_timestamp_seconds": Family(
        "Logical time of the last window that started a training: a cooldown counts from it."
    ),
    "perennial_budget_used": Family(
        "Of the budget, in the seven days up to the last verdict.", ("model", "resource")
    ),
    "perennial_budget_limit": Family(
        "What may be used in seven days; where it is declared.", ("model", "resource")
    ),
    "perennial_promotions_total": Family("Versions put in charge.", ("model", "cause"), True),
    "perennial_rollbacks_total": Family("Older versions put in charge again.", _MODEL, True),
    "perennial_reviews_total": Family(
        "Reviews that were answered, a void answer by that word.",
        ("model", "subject", "outcome"),
        True,
    ),
    "perennial_reviews_pending": Family("Reviews that wait for an answer.", ("model", "subject")),
    "perennial_review_oldest_timestamp_seconds": Family("When the oldest of them was asked."),
    "perennial_review_deadline_timestamp_seconds": Family("The next deadline of one."),
    "perennial_alerts_total": Family(
        "Messages to channels: sent, or failed.", ("model", "occasion", "outcome"), True
    ),
    "perennial_answers_total": Family(
        "Answers before the one that decided: an approval of several, or one that is refused.",
        ("model", "outcome"),
        True,
    ),
    "perennial_repackagings_total": Family("Bentos built anew for a version.", _MODEL, True),
    "perennial_events_total": Family("Events that were heeded.", _MODEL, True),
    # whether it is proved that the model is watched
    "perennial_proof_passed": Family("1 where the last proof of the watching passed."),
    "perennial_proof_timestamp_seconds": Family("When it was made."),
    "perennial_proof_false_alarms_per_year": Family("Alarms in it on windows without a shift."),
    # what runs
    "perennial_run_next_timestamp_seconds": Family(
        "When Prefect starts the next run.", ("model", "flow")
    ),
    "perennial_runs_late": Family("Runs that are due and have not begun.", ("model", "flow")),
    "perennial_run_end_timestamp_seconds": Family("When the last run ended.", ("model", "flow")),
    "perennial_run_failed": Family("1 where that run failed or crashed.", ("model", "flow")),
    "perennial_runs_ended_total": Family(
        "Runs by how they ended, since the page server was started.",
        ("model", "flow", "state"),
        True,
    ),
    "perennial_runs_made_up_total": Family(
        "Those of them that made up for one that an outage had swallowed.", ("model", "flow"), True
    ),
    # whether all of this can be believed
    "perennial_upkeep_timestamp_seconds": Family(
        "When the upkeep came to its end last.", labels=()
    ),
    "perennial_declaration_valid": Family("1 where the declaration of a model can be read."),
    "perennial_records_unreadable": Family("Records of a model that its numbers leave out."),
    "perennial_ledger_records": Family("Records of the ledger that are counted here.", labels=()),
    "perennial_source_up": Family("1 where a source of these numbers answers.", ("source",)),
}
"""Every name in the order in which it is told."""


class Sheet:
    """The samples of one scrape, by name."""

    def __init__(self) -> None:
        self._families = {name: _made(name, family) for name, family in FAMILIES.items()}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a sample.

        Args:
            name: one of `FAMILIES`.
            value: in the unit that the name says.
            labels: values in the order of the family's labels.
        """
        self._families[name].add_metric(labels, value)

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())


def _made(name: str, family: Family) -> CounterMetricFamily | GaugeMetricFamily:
    made = CounterMetricFamily if family.counts else GaugeMetricFamily
    return made(name, family.text, labels=family.labels)
