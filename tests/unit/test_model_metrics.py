"""The numbers for Prometheus: what the ledger's records count as."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from deployments.metrics.declarations import Declarations, Declared
from deployments.metrics.exposition import tell
from deployments.metrics.families import Sheet
from deployments.metrics.tally import Standing, Tally
from deployments.metrics.verdicts import MOST_FEATURES, MOST_SLICES
from infra.entries import Kind, Recorded
from tasks.governance.events import WAITING
from tasks.references import Action, Cause, Restraint
from tasks.spec import load_spec
from tests.support.chronicle import MODEL, Chronicle, month, year

PLAIN = Declared("roc_auc", {})
"""A declaration of nothing that need not be."""


def standing(records: Iterable[Recorded]) -> Standing:
    """How the model stands by some records."""
    tally = Tally()
    for each in records:
        tally.count(each)
    return tally.models[MODEL]


def samples(found: Standing, declared: Declared | None = PLAIN) -> dict[str, float]:
    """Name and labels of each sample, as Prometheus writes them, to its value."""
    sheet = Sheet()
    tell(sheet, MODEL, found, declared)
    return {
        f"{each.name}{sorted(v for k, v in each.labels.items() if k != 'model')}": each.value
        for family in sheet
        for each in family.samples
    }


def test_the_champion_and_the_last_window_are_told_beside_each_other() -> None:
    """Version, time, the metric then and now, labels, and every number of the verdict."""
    found = samples(standing(year().records))

    assert found["perennial_champion_version[]"] == 2
    assert found["perennial_champion_since_timestamp_seconds[]"] == month(3).timestamp()
    assert found["perennial_champion_metric['roc_auc']"] == 0.71
    assert found["perennial_window_metric['roc_auc']"] == 0.71
    assert found["perennial_window_metric_expected['roc_auc']"] == 0.72
    assert found["perennial_window_labelled_ratio[]"] == pytest.approx(0.98)
    assert found["perennial_window_number['severity']"] == 0.1
    assert found["perennial_feature_psi['hour']"] == 0.31
    assert found["perennial_verdict_cause_weight['performance']"] == 0.4
    june = datetime(2013, 6, 1, tzinfo=UTC).timestamp()
    assert found["perennial_window_end_timestamp_seconds[]"] == june


def test_one_action_is_the_last_verdicts_and_each_is_counted() -> None:
    """A dashboard shows the one; an alert counts how often."""
    found = samples(standing(year().records))

    told = {each: found[f"perennial_verdict_action['{each.value}']"] for each in Action}
    assert told == {**dict.fromkeys(Action, 0), Action.ASK: 1}
    assert found["perennial_verdicts_total['retrain']"] == 1


def test_decisions_are_counted_by_what_followed_from_them() -> None:
    """A void answer is no approval; a training has the cause that it was started by."""
    found = samples(standing(year().records))

    assert found["perennial_reviews_total['approved', 'candidate']"] == 1
    assert found["perennial_reviews_total['candidate', 'void']"] == 1
    assert found["perennial_trainings_total['ask', 'drift']"] == 2
    assert found["perennial_trainings_total['drift', 'refuse']"] == 1
    assert found["perennial_promotions_total['drift']"] == 2


def test_a_rollback_puts_the_older_version_in_charge_and_is_counted() -> None:
    """It is no promotion."""
    chronicle = year()
    chronicle.crowned(1, month(7), kind=Kind.ROLLBACK)

    found = samples(standing(chronicle.records))

    assert found["perennial_champion_version[]"] == 1
    assert found["perennial_rollbacks_total[]"] == 1
    assert found["perennial_promotions_total['drift']"] == 2


def test_what_counts_for_an_earlier_time_is_not_the_newest() -> None:
    """A window judged late, of long ago, does not hide the newest verdict."""
    chronicle = year()
    chronicle.judged("2013-01", month(2), Action.REST)

    found = samples(standing(chronicle.records))

    assert found["perennial_verdict_action['ask']"] == 1
    assert found["perennial_verdicts_total['rest']"] == 2


def test_a_batch_is_held_until_its_window_is_let_in() -> None:
    """The corrected delivery, or the approval of the first, takes it off."""
    chronicle = year()
    before = samples(standing(chronicle.records))
    chronicle.batch("2013-04", month(5))

    after = samples(standing(chronicle.records))

    assert before["perennial_batches_held[]"] == 1
    assert after["perennial_batches_held[]"] == 0
    assert after["perennial_batches_total['hold']"] == 1
    july = datetime(2013, 7, 1, tzinfo=UTC).timestamp()
    assert after["perennial_data_end_timestamp_seconds[]"] == july


def test_a_review_waits_until_it_is_answered_however_often_it_was_asked() -> None:
    """Its age is that of the question, its deadline the next that comes."""
    chronicle = Chronicle()
    chronicle.asked(month(1), "e1", "drift")
    asked = chronicle.asked(month(1), "e1", "drift")
    waiting = samples(standing(chronicle.records))
    chronicle.answered(month(1), "e1", approved=False)

    done = samples(standing(chronicle.records))

    assert waiting["perennial_reviews_pending['drift']"] == 1
    assert waiting["perennial_review_oldest_timestamp_seconds[]"] == asked.at.timestamp()
    assert done["perennial_reviews_pending['drift']"] == 0
    assert "perennial_review_oldest_timestamp_seconds[]" not in done


def test_messages_are_counted_as_sent_or_failed() -> None:
    """One that nobody took is what an alert of another way is for; reminders are told apart."""
    chronicle = Chronicle()
    chronicle.alert(month(1), failure="The mail server is away.")
    chronicle.alert(month(1))
    chronicle.alert(month(1), occasion="escalate")

    found = samples(standing(chronicle.records))

    assert found["perennial_alerts_total['alert', 'failed']"] == 1
    assert found["perennial_alerts_total['alert', 'sent']"] == 1
    assert found["perennial_alerts_total['escalate', 'sent']"] == 1


def test_what_came_of_the_last_proof_is_told() -> None:
    """And nothing of a model that was never proved: a 0 would be a failure."""
    chronicle = year()
    before = samples(standing(chronicle.records))
    chronicle.proof(month(7), passed=False)
    chronicle.proof(month(6), passed=True)

    found = samples(standing(chronicle.records))

    assert "perennial_proof_passed[]" not in before
    assert found["perennial_proof_passed[]"] == 0
    assert found["perennial_proof_timestamp_seconds[]"] == month(7).timestamp()
    assert found["perennial_proof_false_alarms_per_year[]"] == 0.25


def test_answers_on_the_way_bentos_and_events_are_counted() -> None:
    """None of them decides, or puts another version in charge."""
    chronicle = year()
    chronicle.add(Kind.ANSWER, month(6), {"counts": True})
    chronicle.add(Kind.ANSWER, month(6), {"counts": False})
    chronicle.crowned(2, month(3), kind=Kind.REPACKAGE)
    chronicle.add(Kind.EVENT, month(6), {"event": "prices.changed", "state": WAITING})
    chronicle.add(Kind.EVENT, month(6), {"event": "prices.changed"})

    found = samples(standing(chronicle.records))

    assert found["perennial_answers_total['approved']"] == 1
    assert found["perennial_answers_total['refused']"] == 1
    assert found["perennial_repackagings_total[]"] == 1
    assert found["perennial_events_total[]"] == 1
    assert found["perennial_promotions_total['drift']"] == 2


def test_counters_begin_at_zero() -> None:
    """Prometheus sees what a counter rose by; of one that begins with one it would see nothing."""
    found = samples(Standing())

    assert found["perennial_alerts_total['failed', 'remind']"] == 0
    assert found["perennial_verdicts_total['retrain']"] == 0
    assert found["perennial_rollbacks_total[]"] == 0


def test_a_record_that_cannot_be_read_is_counted_and_hides_no_other() -> None:
    """One model's broken verdict leaves its other numbers, and all those of the others."""
    chronicle = year()
    chronicle.add(Kind.DRIFT, month(9), {"window": "2013-09"})
    chronicle.add(Kind.INGEST, month(9), {"window": "the ninth", "ending": "accept"})
    chronicle.add(Kind.PROMOTION, month(9), {"candidate": {"version": 9}})

    found = samples(standing(chronicle.records))

    assert found["perennial_records_unreadable[]"] == 3
    assert found["perennial_champion_version[]"] == 2
    assert found["perennial_verdict_action['ask']"] == 1


def test_a_model_whose_declaration_cannot_be_read_keeps_what_the_ledger_says() -> None:
    """Only the name of its metric is not known."""
    found = samples(standing(year().records), declared=None)

    assert found["perennial_champion_version[]"] == 2
    assert "perennial_window_metric['roc_auc']" not in found


def test_late_and_missing_predictions_are_told_where_they_are_declared() -> None:
    """None of them is a zero and no gap, so that an alert can tell the two apart."""
    chronicle = Chronicle()
    chronicle.judged("2013-05", month(5), metrics={"unlabelled": 0.1, "overdue": 7, "late": 0.25})
    found = standing(chronicle.records)

    plain = samples(found)
    declared = samples(found, Declared("roc_auc", {}, rosters=True, objective=True))

    assert plain["perennial_window_overdue[]"] == 7
    assert "perennial_window_late_ratio[]" not in plain
    assert declared["perennial_window_late_ratio[]"] == 0.25
    assert declared["perennial_window_absent[]"] == 0


def test_of_very_many_features_those_that_moved_most_are_told() -> None:
    """Each is a series that somebody's Prometheus keeps."""
    chronicle = Chronicle()
    chronicle.judged("2013-05", month(5), psi={f"f{each}": each / 1000 for each in range(800)})

    found = samples(standing(chronicle.records))

    told = [name for name in found if name.startswith("perennial_feature_psi")]
    assert len(told) == MOST_FEATURES
    assert "perennial_feature_psi['f799']" in told


def test_what_was_asked_for_is_told_beside_what_was_done_and_why_it_was_less() -> None:
    """A verdict that asks for a training, held back by the cooldown, alerts."""
    chronicle = Chronicle()
    done: JsonValue = {"action": "alert", "why": ["It cools."], "restraints": ["cooldown"]}
    chronicle.judged("2013-05", month(5), Action.RETRAIN, conclusion=done)

    found = samples(standing(chronicle.records))

    assert found["perennial_verdict_asked['retrain']"] == 1
    assert found["perennial_verdict_action['alert']"] == 1
    told = {each: found[f"perennial_policy_held['{each}']"] for each in Restraint}
    assert told == {**dict.fromkeys(Restraint, 0), Restraint.COOLDOWN: 1}


def test_the_budget_is_what_the_policy_counts() -> None:
    """Trainings that verdicts started, or people whom one had asked, in the last seven days."""
    chronicle = Chronicle()
    last, day = month(5), timedelta(days=1)
    for days in (8, 6):
        chronicle.judged("2013-04", last - days * day, Action.RETRAIN)
        chronicle.gate(days, last - days * day, "refuse", f"e{days}", gpu_hours=1.5)
    chronicle.judged("2013-04", last - 2 * day, Action.ASK)
    chronicle.asked(last - 2 * day, "e2", "drift")
    chronicle.answered(last - 2 * day, "e2", approved=True, subject="drift")
    chronicle.judged("2013-05", last)

    found = samples(standing(chronicle.records), Declared("roc_auc", {}, {"retrains": 3}))

    assert found["perennial_budget_used['retrains']"] == 2
    assert found["perennial_budget_used['gpu_hours']"] == 1.5
    assert found["perennial_budget_limit['retrains']"] == 3
    assert "perennial_budget_limit['gpu_hours']" not in found
    assert found["perennial_training_gpu_hours_total['drift']"] == 3
    wanted = found["perennial_training_wanted_timestamp_seconds[]"]
    assert wanted == (last - 2 * day).timestamp()


def test_trainings_of_triggers_count_against_the_budget_as_well() -> None:
    """So does one that a verdict said was due; one that a person or the calendar began does not."""
    chronicle, last, day = Chronicle(), month(5), timedelta(days=1)
    causes = {2: Cause.DATA, 3: Cause.EVENT, 4: Cause.PERSON, 5: Cause.SCHEDULE, 8: Cause.CODE}
    for days, cause in causes.items():
        evidence = f"e{days}"
        chronicle.gate(days, last - days * day, "refuse", evidence, gpu_hours=1.5, cause=cause)
    chronicle.judged("2013-04", last - day, Action.RETRAIN)
    chronicle.gate(9, last - day, "refuse", "e9", gpu_hours=0.5, cause=Cause.SCHEDULE)
    chronicle.judged("2013-05", last)

    found = samples(standing(chronicle.records))

    assert found["perennial_budget_used['retrains']"] == 3
    assert found["perennial_budget_used['gpu_hours']"] == 3.5


def test_labels_are_told_by_age_in_a_few_parts() -> None:
    """The part is a place and no length of time, so that each window has the same series."""
    ages: list[JsonValue] = [
        {"least": f"P{n}D", "most": f"P{n + 7}D", "rows": 100, "labelled": n * 10, "overdue": 0}
        for n in (0, 7)
    ]
    chronicle = Chronicle()
    chronicle.judged("2013-05", month(5), coverage=ages)

    found = samples(standing(chronicle.records))

    assert found["perennial_labels_by_age_ratio['1']"] == 0
    assert found["perennial_labels_by_age_ratio['2']"] == 0.7
    assert found["perennial_labels_by_age_days['2']"] == 14


def test_numbers_of_a_window_have_names_of_their_own_where_they_are_asked_for() -> None:
    """And none of them is made up for a verdict of before they were kept."""
    chronicle = Chronicle()
    new = {"volume": 0.5, "unscored": 0.01, "set_aside": 0.02, "impossible_rows": 3.0}
    missing: JsonValue = {"hour": 0.1, "dest": 0.0}
    chronicle.judged("2013-05", month(5), metrics=new, missing=missing, attribution={"hour": 1})

    found = samples(standing(chronicle.records))
    before = samples(standing(year().records))

    assert found["perennial_window_volume_ratio[]"] == 0.5
    assert found["perennial_window_unscored_ratio[]"] == 0.01
    assert found["perennial_window_set_aside_ratio[]"] == 0.02
    assert found["perennial_window_impossible_rows[]"] == 3
    assert found["perennial_feature_missing_ratio['hour']"] == 0.1
    assert found["perennial_feature_missing_ratio['dest']"] == 0
    assert found["perennial_feature_attribution_ratio['hour']"] == 1
    assert "perennial_window_unscored_ratio[]" not in before


def test_of_very_many_slices_those_that_are_most_surely_worse_are_told() -> None:
    """A column that is named twice is told once: a sample twice would spoil the whole scrape."""
    chronicle = Chronicle()
    slices: list[JsonValue] = [
        {
            "column": "carrier",
            "value": f"c{number}",
            "rows": 300,
            "metric": "roc_auc",
            "now": 0.6,
            "expected": 0.7,
            "fall": 0.1,
            "further": 0.08,
            "chance": number / 1000,
            "beyond": number == 0,
        }
        for number in (0, *range(80))
    ]
    chronicle.judged("2013-05", month(5), slices=slices)
    sheet = Sheet()

    tell(sheet, MODEL, standing(chronicle.records), PLAIN)

    told = [each.labels["value"] for each in _of(sheet, "perennial_slice_metric")]
    assert len(told) == len(set(told)) == MOST_SLICES - 1
    found = samples(standing(chronicle.records))
    assert found["perennial_slice_beyond['c0', 'carrier']"] == 1
    assert found["perennial_slice_further['c1', 'carrier']"] == 0.08


def _of(sheet: Sheet, name: str) -> list[Any]:
    return [each for family in sheet if family.name == name for each in family.samples]


def test_a_batchs_findings_are_those_of_the_newest_delivery() -> None:
    """However late an older one is delivered again."""
    chronicle = Chronicle()
    chronicle.batch("2013-04", month(4), "hold", findings=2)
    chronicle.batch("2013-03", month(3), findings=7)

    assert samples(standing(chronicle.records))["perennial_batch_findings[]"] == 2


def test_a_champion_is_told_with_the_time_of_its_crowning() -> None:
    """By the clock: how long it has been there without being watched is told by no other."""
    chronicle = Chronicle()
    crowned = chronicle.crowned(1, month(1))

    found = samples(standing(chronicle.records))

    at = found["perennial_champion_crowned_timestamp_seconds[]"]
    assert at == crowned.at.timestamp() != month(1).timestamp()


def test_every_number_that_is_declared_is_told_by_its_place() -> None:
    """What a window is held to can be drawn beside it; lengths of time are seconds."""
    declared = Declarations().look()["flights"]

    assert declared is not None
    limits = declared.limits
    watched = {name for name in limits if "." not in name}
    assert {"psi", "max_novelty", "max_drop", "max_unscored", "max_missing", "margin"} <= watched
    assert limits["policy.cooldown"] == load_spec("flights").policy.cooldown.total_seconds()
    assert {"gates.min_gain", "approval.deadline", "data.max_set_aside"} <= limits.keys()
    assert not any(isinstance(each, bool) for each in limits.values())
