"""How old champion and data are, and what the contract made of the batch that is watched."""

from datetime import timedelta

import pytest

from tasks.monitoring.causes import Observation
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action, Ending, Incident, VerdictCause
from tests.unit.test_verdict import drift, seen

DAY = timedelta(days=1)
SPEC = MonitoringSpec(max_age=90 * DAY, max_data_age=2 * DAY)


def told(kind: str, spec: MonitoringSpec = SPEC, **changes: object) -> list[VerdictCause]:
    """What is said of a kind."""
    month = Observation(rows=1000, scored=1000, labelled=1000, **changes)  # type: ignore[arg-type]  # fields by name
    return [each for each in judge(month, spec).causes if each.kind == kind]


def batch(set_aside: int, approval: str = "") -> Incident:
    """A batch of a thousand rows that the contract did not let pass whole."""
    ending = Ending.HOLD if approval else Ending.QUARANTINE
    rows = 1000 - set_aside
    return Incident(
        window="2013-04", ending=ending, rows=rows, set_aside=set_aside, approval=approval
    )


def test_a_champion_older_than_declared_alerts() -> None:
    """Half a year where a quarter is the most: it is told, whether anything moved or not."""
    [old] = told("staleness", age=180 * DAY, data_age=DAY)

    assert (old.action, old.weight) == (Action.ALERT, 0.5)
    assert old.sentence == "The champion was trained 180 days ago; 90 days is the most."


def test_data_older_than_declared_alert() -> None:
    """Nothing came for a week: the newest window says so."""
    [old] = told("staleness", age=DAY, data_age=timedelta(hours=180))

    assert old.sentence == "The newest window was over 7.5 days ago; 2 days is the most."


@pytest.mark.parametrize("age", [None, 89 * DAY])
def test_an_age_within_its_limit_or_unknown_is_not_told(age: timedelta | None) -> None:
    """Without a declared limit nothing is too old."""
    assert told("staleness", age=age) == []
    assert told("staleness", MonitoringSpec(), age=1000 * DAY, data_age=1000 * DAY) == []


def test_rows_that_the_contract_set_aside_are_a_fault_of_the_data() -> None:
    """A third of a batch is gone, and not by chance: what moved beside it is told only."""
    [fault] = told("quality", incident=batch(100))
    moved = judge(seen(incident=batch(300), drift=drift(0.1, 0.5, psi=6.0, new=0.5)), SPEC)

    assert (fault.action, fault.weight, fault.rows) == (Action.ALERT, 0.5, 100)
    assert fault.sentence == (
        "The contract set 100 of 1,000 rows of the batch aside (10.0%); 5.0% may be."
    )
    assert moved.action is Action.ALERT
    assert moved.causes[0].kind == "quality"


def test_a_few_rows_set_aside_are_told() -> None:
    """A duplicate here and there is what the contract is for."""
    [few] = told("quality", incident=batch(10))

    assert (few.action, few.weight) == (Action.REST, 0)


def test_a_batch_that_a_person_let_in_is_named_and_judged_as_any_other() -> None:
    """Somebody said that the world is so: what lies beyond the training data asks for one."""
    let_in = batch(0, approval="c0ffee" * 10)
    [said] = told("quality", incident=let_in)
    novel = seen(incident=let_in, drift=drift(0.1, 0.5, psi=6.0, new=0.5))

    assert said.action is Action.REST
    assert said.sentence == (
        "The contract held the batch, and a person let it in (ledger c0ffeec0ffee)."
    )
    assert judge(novel, SPEC).action is Action.RETRAIN
