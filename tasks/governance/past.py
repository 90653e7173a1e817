"""What was done and seen before a verdict: what a policy concludes by, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from tasks.references import Action, DriftVerdict, WatchKind
from tasks.windows import EVERYTHING, WindowName, first_day, grain_of, window_before

_BY_LABELS: Final = frozenset(
    {
        WatchKind.PERFORMANCE,
        WatchKind.CALIBRATION,
        WatchKind.TARGET,
        WatchKind.VALUE,
        WatchKind.SLICES,
    }
)
"""What nobody sees of a window whose labels are out, or which another version predicted."""


@dataclass(frozen=True)
class Training:
    """A training that Perennial has started by itself, or a person whom a verdict had asked.

    Attributes:
        as_of: the time that it is for.
        gpu_hours: what it took, as far as it is on record.
    """

    as_of: datetime
    gpu_hours: float = 0.0


class Judged(NamedTuple):
    """A window that was judged before, and the kinds of causes that were beyond their limits.

    Attributes:
        window: its name.
        kinds: of the causes that no fault of the data explains.
        champion: the version that it was judged under.
        doubtful: kinds that were seen beside a fault alone that explains them, or may.
    """

    window: WindowName
    kinds: frozenset[WatchKind]
    champion: int
    doubtful: frozenset[WatchKind] = frozenset()


class Beside(NamedTuple):
    """What an older window has led to that was judged in the same run, before this one."""

    window: WindowName
    action: Action


@dataclass(frozen=True)
class Tried:
    """The last training that a verdict started by itself, under the champion that is in charge.

    Attributes:
        version: what it made: the champion, or a challenger that did not take its place.
        as_of: the time that it was trained for.
        promoted: whether it is the champion.
        kinds: of the causes that it was started for, those which no window since was without.
    """

    version: int
    as_of: datetime
    promoted: bool
    kinds: frozenset[WatchKind]


@dataclass(frozen=True)
class Past:
    """What was done before a verdict.

    Attributes:
        trainings: that verdicts started, oldest first; where windows are caught up, later ones too.
        others: that new data, commits and events started within seven days.
        trained: when the newest of all trainings was, by its own time.
        underway: name of the run that trains for drift now; empty for none.
        reviewing: name of the run that asks a person about a challenger for drift now; empty for
            none.
        asking: name of the run that asks a person about drift now; empty for none.
        seen: the windows before, newest last.
        tried: the last training that a verdict started by itself.
        declined: the kinds that a person was asked about and wanted no training for, as far as
            that still counts.
        settled: the kinds that a person wanted none for on this very window and these very data.
        repeated: why a training on these data would start nothing; empty where it would.
        predecessor: the version that was in charge before the champion.
        failed: names of the runs that other verdicts have started for the same version of the
            data, and that failed.
        frozen: why no training may start on the verdict's day; empty where one may.
        beside: the gravest that older windows have led to in the same run.
    """

    trainings: tuple[Training, ...] = ()
    others: tuple[Training, ...] = ()
    trained: datetime | None = None
    underway: str = ""
    reviewing: str = ""
    asking: str = ""
    seen: tuple[Judged, ...] = ()
    tried: Tried | None = None
    declined: tuple[frozenset[WatchKind], ...] = ()
    settled: frozenset[WatchKind] = frozenset()
    repeated: str = ""
    predecessor: int | None = None
    failed: tuple[str, ...] = ()
    frozen: str = ""
    beside: Beside | None = None


def seen_before(verdicts: Iterable[DriftVerdict], window: str, most: int) -> tuple[Judged, ...]:
    """The windows before one, each as it was judged last.

    Args:
        verdicts: in the order in which they were reached.
        window: the one that is judged.
        most: windows, the newest before it.
    """
    start = first_day(window)
    last = {each.window: each for each in verdicts if first_day(each.window) < start}
    newest = [last[name] for name in sorted(last, key=first_day)][-most:]
    return tuple(judged(each) for each in newest)


def judged(verdict: DriftVerdict) -> Judged:
    """What was seen of a window, as the verdicts after it count it."""
    beyond = [each for each in verdict.causes if each.action is not Action.REST]
    sure = frozenset(each.kind for each in beyond if not each.explained)
    doubtful = frozenset(each.kind for each in beyond) - sure
    return Judged(verdict.window, sure, verdict.champion, doubtful)


def last_windows(window: WindowName, most: int) -> tuple[WindowName, ...]:
    """A window and those that lie before it in the calendar, newest last.

    >>> last_windows("2026-01", 3)
    ('2025-11', '2025-12', '2026-01')
    """
    found = [window]
    while len(found) < most and window != EVERYTHING:
        found.append(window_before(first_day(found[-1]), grain_of(window)))
    return tuple(reversed(found))


def never_gone(
    kinds: frozenset[WatchKind], since: Iterable[DriftVerdict], champion: int
) -> frozenset[WatchKind]:
    """Those kinds of causes that no window was without.

    A window in which a kind could not be judged, or a fault of the data may have made it, tells
    nothing about it.

    Args:
        kinds: of causes.
        since: the verdicts since a training, under whatever champion.
        champion: whose verdicts count.
    """
    under = [each for each in since if each.champion == champion]
    return frozenset(
        kind
        for kind in kinds
        if all(kind in judged(each).kinds for each in under if _could_show(each, kind))
    )


def still_tried(
    tried: Tried,
    since: Iterable[DriftVerdict],
    verdict: DriftVerdict,
    *,
    asked: bool,
    min_growth: float,
) -> Tried | None:
    """A training as far as it speaks against another; None where there is enough to learn anew.

    Args:
        tried: the last that a verdict started by itself, with all kinds that it was started for.
        since: the verdicts after it.
        verdict: what is judged now.
        asked: whether a person said no since.
        min_growth: as the policy declares.
    """
    turned = verdict.turned_down
    growth = verdict.growth if tried.promoted or turned is None else turned.growth
    if asked and growth is not None and growth >= min_growth:
        return None
    return replace(tried, kinds=never_gone(tried.kinds, since, verdict.champion))


def still_declined(asked: DriftVerdict, verdict: DriftVerdict, min_growth: float) -> bool:
    """Whether a no counts still: too few labelled rows have come since it was asked for.

    Args:
        asked: what the person was asked about.
        verdict: what is judged now, under the same champion.
        min_growth: as the policy declares.
    """
    if asked.growth is None or verdict.growth is None:
        return min_growth > 0
    return verdict.growth - asked.growth < min_growth


def _could_show(verdict: DriftVerdict, kind: WatchKind) -> bool:
    if kind in judged(verdict).doubtful:
        return False
    return "fall" in verdict.metrics if kind in _BY_LABELS else bool(verdict.drift)
