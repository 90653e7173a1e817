"""What has come since a training: windows, rows and labels, held against what the training knew."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.governance.triggers import DataTrigger
from tasks.references import Candidate, FeaturePart, FeatureTable, History, Manifest
from tasks.windows import EVERYTHING


@dataclass(frozen=True)
class Enough:
    """Why it is time to train on new data.

    Attributes:
        why: a sentence.
        because: what one training is started for.
    """

    why: str
    because: tuple[str | int, ...]


def enough_came(
    history: History, last: Candidate, trigger: DataTrigger, table: FeatureTable | None = None
) -> Enough | None:
    """Why it is time to train on new data; None while it is not.

    What the training knew is noted window by window in the candidate: whether a window was learned
    from does not matter, for one that had no labels yet was known all the same.

    Args:
        history: what is known now.
        last: the newest candidate that came before the gates, whatever became of it.
        trigger: what is declared.
        table: the features of the history, which tell its labels; without it none are counted.
    """
    known = {part.window: part for part in last.fitted.split.table.parts}
    since = f"since version {last.version} was trained"
    said = _windows(history, last, trigger, known) or _rows(history, last, trigger, known)
    if said:
        return Enough(f"{said[0]} {since}{said[1]}.", (history.digest,))
    if trigger.labels is None or table is None:
        return None
    was = sum(part.labelled for part in known.values())
    came = sum(_labels(part, known.get(part.window)) for part in table.parts)
    times = int(came / was / trigger.labels) if was else 0
    if times < 1:
        return None
    # Labels trickle in: a training that failed is tried again when as many have come once more.
    why = f"{came:,} labels have come {since}, {came / was:.0%} of those that were known."
    return Enough(why, ("labels", last.digest, times))


def _windows(
    history: History, last: Candidate, trigger: DataTrigger, known: Mapping[str, FeaturePart]
) -> tuple[str, str] | None:
    new = [
        each
        for each in history.manifests
        if each.window not in known
        or (each.window == EVERYTHING and _is_anew(each, known[EVERYTHING], history, last))
    ]
    if trigger.windows is None or len(new) < trigger.windows:
        return None
    return f"{len(new)} {'window has' if len(new) == 1 else 'windows have'} come", ""


def _rows(
    history: History, last: Candidate, trigger: DataTrigger, known: Mapping[str, FeaturePart]
) -> tuple[str, str] | None:
    there = [each for each in history.manifests if each.window in known]
    came = sum(each.rows for each in history.manifests if each.window not in known)
    anew = sum(each.rows for each in there if _is_anew(each, known[each.window], history, last))
    was = sum(known[each.window].delivered or each.rows for each in there)
    if trigger.growth is None or not was or (came + anew) / was < trigger.growth:
        return None
    delivered = f" and {anew:,} were delivered anew" if anew else ""
    return (
        f"{came:,} rows have come{delivered}",
        f", {(came + anew) / was:.0%} of those that were there",
    )


def _is_anew(now: Manifest, then: FeaturePart, history: History, last: Candidate) -> bool:
    """Whether a window that the training knew was delivered anew since, with other rows."""
    if then.data:
        return now.digest != then.data
    # Trained before this was noted: of rows without time the history's digest tells it.
    return now.window == EVERYTHING and history.digest != last.data_version


def _labels(now: FeaturePart, then: FeaturePart | None) -> int:
    return max(0, now.labelled - (then.labelled if then else 0))
