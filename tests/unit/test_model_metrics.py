"""The numbers for Prometheus: what the ledger's records count as, and who reads their names."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployments.metrics.declarations import Declared
from deployments.metrics.exposition import MOST_FEATURES, tell
from deployments.metrics.families import FAMILIES, Sheet
from deployments.metrics.tally import Standing, Tally
from infra.entries import Kind, Recorded
from infra.settings import PROJECT
from tasks.governance.events import WAITING
from tasks.references import Action
from tests.support.chronicle import MODEL, Chronicle, month, year

OBSERVED = PROJECT / "infra" / "observability"
NAME = re.compile(r"\bperennial_[a-z_]+")
GPU_METRICS = (PROJECT / "infra" / "gpu" / "metrics.py").read_text(encoding="utf-8")

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
    """One that nobody took is what an alert of another way is for."""
    chronicle = Chronicle()
    chronicle.alert(month(1), failure="The mail server is away.")
    chronicle.alert(month(1))

    found = samples(standing(chronicle.records))

    assert found["perennial_alerts_total['failed']"] == 1
    assert found["perennial_alerts_total['sent']"] == 1


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

    assert found["perennial_alerts_total['failed']"] == 0
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


def test_names_say_what_they_count_and_in_which_unit() -> None:
    """By the conventions of Prometheus: counters end in _total, times in _timestamp_seconds."""
    assert all(NAME.fullmatch(name) for name in FAMILIES)
    assert all(name.endswith("_total") == family.counts for name, family in FAMILIES.items())
    assert all(family.text.endswith(".") for family in FAMILIES.values())
    assert all("timestamp" not in name or name.endswith("_timestamp_seconds") for name in FAMILIES)
    assert all(len(family.labels) <= 3 for family in FAMILIES.values())


def test_every_query_of_the_dashboard_asks_for_a_number_that_there_is() -> None:
    """And every number is on it: none is told for nobody."""
    board = json.loads((OBSERVED / "grafana/dashboards/perennial.json").read_text("utf-8"))

    panels = [panel for each in board["panels"] for panel in (each, *each.get("panels", []))]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    asked = {name for query in queries for name in NAME.findall(query)}
    gpus = {name for name in asked if name.startswith("perennial_gpu_")}

    assert len(queries) > 20
    assert asked - gpus == set(FAMILIES)
    assert all(name.removesuffix("_total") in GPU_METRICS for name in gpus)
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    variables = {each["name"] for each in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"])))
    assert used <= {*variables, "__rate_interval"}


def test_every_rule_of_alerting_asks_for_a_number_that_there_is() -> None:
    """Each says how bad it is, and what to do in a sentence."""
    rules = _rules()

    asked = {name for rule in rules for name in NAME.findall(rule["expr"])}

    assert len(rules) >= 10
    assert asked <= set(FAMILIES)
    assert all(rule["labels"]["severity"] in {"page", "ticket"} for rule in rules)
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def _rules() -> list[Any]:
    document = YAML(typ="safe").load(OBSERVED / "prometheus" / "rules.yml")
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_the_documentation_lists_every_name() -> None:
    """With its labels and what it means, to the letter."""
    document = (PROJECT / "docs" / "observability.md").read_text(encoding="utf-8")

    missing = [
        name
        for name, each in FAMILIES.items()
        if f"| `{name}` | {', '.join(each.labels) or '-'} | {each.text} |" not in document
    ]

    assert missing == []
