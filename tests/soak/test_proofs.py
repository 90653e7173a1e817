"""The whole proof of the models that are shipped: what they declare of their monitors holds."""

import pytest

from deployments.proof.result import Continuous
from deployments.proof.running import prove
from infra.settings import PROJECT
from tasks.references import Action, Cause
from tests.support.homes import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def _proved(name: str) -> Continuous:
    with environment({"PERENNIAL_MODELS": str(PROJECT / "deployments")}):
        return prove(name, lambda *_: None)


def test_flights_are_watched() -> None:
    """Shuffled months alarm at most once a year, gross shifts are seen in the first month."""
    found = _proved("flights")

    assert found.failures == ()
    assert found.unshifted.alarms_a_year <= 1
    assert found.unshifted.years > 3
    assert {each.delay for each in found.shifts if each.gross} == {1}
    assert found.followed is not None
    assert found.followed.conclusion is Action.RETRAIN
    assert found.followed.told == found.followed.wanted != ()
    assert found.followed.started is not None
    assert found.followed.started.cause is Cause.DRIFT


def test_employment_is_left_in_peace_and_watched_all_the_same() -> None:
    """In its four years nothing alarms and nothing is trained on; yet no gross shift passes."""
    found = _proved("employment")

    assert found.failures == ()
    assert found.steady is not None
    assert (found.steady.windows, found.steady.alarms, found.steady.retrains) == (2, 0, 0)
    assert (found.contract.windows, found.contract.alarms) == (4, 0)
    assert found.unshifted.alarms == 0
    assert {each.delay for each in found.shifts if each.gross} == {1}
