"""Which windows a monitor owes a verdict, and what its run comes to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from infra.ledger import Kind, Ledger
from infra.steps import step
from tasks.data.spec import DataSpec
from tasks.references import Conclusion, DriftVerdict
from tasks.windows import WindowName, ends_at, latest_window


@step(moving=True)
def labels_due(model: str, data: DataSpec, as_of: datetime) -> tuple[WindowName, ...]:
    """The newest window whose labels are all due and that was not judged since, if there is one.

    It is none where labels come before the next window is over: then it is the newest window, which
    is judged anyway. What was recorded at the very time of asking does not count, so that a run
    that is repeated judges the same.

    Raises:
        BackendError: the database is gone.
    """
    delay = data.label.delay
    due = latest_window(as_of - delay, data.grain, data.timezone)
    end = ends_at(due, data.timezone)
    if end is None or due == latest_window(as_of, data.grain, data.timezone):
        return ()
    before = Ledger().entries(model, Kind.DRIFT, as_of - timedelta(microseconds=1))
    since = {each.payload["window"] for each in before if each.as_of >= end + delay}
    return () if due in since else (due,)


def outcome(judged: Sequence[tuple[DriftVerdict, Conclusion]]) -> tuple[str, str]:
    """Name and words of the state in which a monitor ends: the gravest of what followed.

    Args:
        judged: windows, the newest last, each with what was done about it.
    """
    _, gravest = max(reversed(judged), key=lambda each: each[1].action.rank)
    words = [" ".join((*done.why, *seen.reasons, *seen.remarks)) for seen, done in judged]
    if len(judged) > 1:
        words = [f"{seen.window}: {said}" for (seen, _), said in zip(judged, words, strict=True)]
    return gravest.state, " ".join(words)
