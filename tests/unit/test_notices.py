"""What people are told, on which occasion, and what counts as told already."""

from datetime import timedelta

import pytest

from tasks.governance.answers import DEADLINE
from tasks.governance.notices import Occasion, batch_notice, decision_notice, drift_notice
from tasks.references import (
    Action,
    Conclusion,
    Decision,
    Diagnosis,
    Ending,
    Evidence,
    Subject,
    VerdictCause,
    WatchKind,
)
from tests.support.subjects import batch, drift, finding

_ASKS = Conclusion(action=Action.ASK, kinds=(WatchKind.PERFORMANCE,))


def _cause(kind: WatchKind, weight: float) -> VerdictCause:
    return VerdictCause(kind=kind, action=Action.ASK, weight=weight, sentence=f"{kind} moved.")


def _decided(**facts: object) -> Decision:
    said = {"approved": False, "reason": "A sensor died.", "actor": "ann", "evidence": "e"}
    return Decision.model_validate({**said, "entry": "e", **facts})


def _question(title: str) -> Evidence:
    as_of = drift().as_of
    return Evidence(
        subject=Subject.DRIFT,
        model="flights",
        as_of=as_of,
        title=title,
        markdown="",
        payload={},
        digest="d",
    )


def test_a_verdict_is_told_with_its_weights_and_what_it_could_not_judge() -> None:
    """The heaviest first; the sentences stay as they are."""
    seen = drift().model_copy(
        update={
            "causes": (_cause(WatchKind.TARGET, 0.31), _cause(WatchKind.PERFORMANCE, 0.5)),
            "unjudged": ("Slices: none has 500 labels.",),
        }
    )

    notice = drift_notice(seen, _ASKS)

    assert notice.lines == (
        "roc_auc fell by 0.04",
        "By weight, 0.5 at twice the limit: performance 0.50, target 0.31.",
        "Not judged: Slices: none has 500 labels.",
    )


def test_a_long_verdict_is_cut_before_what_it_could_not_judge() -> None:
    """However many reasons there are, the end is read too."""
    seen = drift().model_copy(
        update={"reasons": ("moved",) * 40, "unjudged": ("Drift: version 1 has no profile.",)}
    )

    assert drift_notice(seen, _ASKS).lines[-1] == "Not judged: Drift: version 1 has no profile."


def test_a_window_that_is_judged_again_on_the_same_data_is_not_told_again() -> None:
    """When it was judged is no news."""
    seen = drift().model_copy(update={"data_version": "data"})
    later = seen.model_copy(update={"as_of": seen.as_of + timedelta(hours=1), "digest": "another"})

    assert drift_notice(later, _ASKS).subject == drift_notice(seen, _ASKS).subject


@pytest.mark.parametrize(
    ("changed", "conclusion", "review"),
    [
        ({"window": "2013-08"}, _ASKS, "r"),
        ({"data_version": "n"}, _ASKS, "r"),
        ({"champion": 2}, _ASKS, "r"),
        ({}, _ASKS.model_copy(update={"action": Action.RETRAIN}), "r"),
        ({}, _ASKS.model_copy(update={"kinds": (WatchKind.TARGET,)}), "r"),
        ({}, _ASKS, "another"),
    ],
    ids=["window", "data", "champion", "action", "kinds", "review"],
)
def test_a_verdict_that_says_something_new_is_told(
    changed: dict[str, object], conclusion: Conclusion, review: str
) -> None:
    """Other data, another champion or another question are news."""
    seen = drift()
    other = drift_notice(seen.model_copy(update=changed), conclusion, review)

    assert other.subject != drift_notice(seen, _ASKS, "r").subject


def test_two_windows_that_bring_the_same_nothing_are_told_each() -> None:
    """Two empty files have the same digest and the same finding."""
    first = batch(finding(), ending=Ending.HOLD)
    delivery = first.delivery.model_copy(update={"window": "2013-05"})
    second = first.model_copy(update={"delivery": delivery})

    assert batch_notice(first).subject != batch_notice(second).subject
    assert batch_notice(first).subject == batch_notice(first).subject


@pytest.mark.parametrize(
    ("decision", "occasion", "title"),
    [
        (_decided(approved=True), Occasion.DECIDED, "May it? Approved, says ann"),
        (
            _decided(diagnosis=Diagnosis.EXPECTED),
            Occasion.DECIDED,
            "May it? Expected, says ann",
        ),
        (_decided(diagnosis=Diagnosis.BROKEN), Occasion.BROKEN, "May it? Broken, says ann"),
        (
            _decided(actor=DEADLINE),
            Occasion.EXPIRED,
            "May it? Nobody decided in time, refused by default",
        ),
        (
            _decided(diagnosis=Diagnosis.BROKEN, void=True),
            Occasion.VOID,
            "May it? The answer is void",
        ),
    ],
    ids=["a person", "expected", "broken", "the deadline", "void"],
)
def test_each_way_that_a_review_ends_is_an_occasion(
    decision: Decision, occasion: Occasion, title: str
) -> None:
    """Whoever waits for it learns of it, also where nobody answered or nothing came of it."""
    notice = decision_notice(_question("May it?"), decision)

    assert (notice.occasion, notice.title) == (occasion, title)
    assert notice.lines == ("A sensor died.",)
