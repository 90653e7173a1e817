"""A replay: every window in its turn under every policy, and what each came to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from deployments.replay.gaining import gained
from deployments.replay.policies import Rules
from deployments.replay.results import Arrival, Course, Replay, Watch
from deployments.replay.track import Reviewer, Track
from deployments.replay.world import LEFT_OUT, World
from deployments.shadow.feed import Feed
from infra.errors import ConfigError, DataError
from tasks.metrics import direction
from tasks.references import Action, Comparison
from tasks.spec import ModelSpec
from tasks.windows import first_day

REFERENCE: Final = "never"
"""The policy that others are held to; where it is not asked for, the first one is."""

Told = Callable[[str, int, int], None]
"""Is told what happens next, how much is done and how much there is."""


def reviewer_of(name: str, spec: ModelSpec) -> Reviewer:
    """Who answers: ``gates``, ``approve`` or ``refuse``.

    The first approves what gains more than the gates want for certain, trains where a verdict
    asks, and lets no batch in that the contract holds.

    Raises:
        ConfigError: there is no such reviewer.
    """
    least = spec.gates.min_gain
    reviewers = {
        "gates": Reviewer("gates", lambda said: said.lower > least, drift=True, batch=False),
        "approve": Reviewer("approve", _always, drift=True, batch=True),
        "refuse": Reviewer("refuse", _never, drift=False, batch=False),
    }
    if name not in reviewers:
        raise ConfigError(f"There is no reviewer {name!r}.", hint="Write gates, approve or refuse.")
    return reviewers[name]


def windows_of(feed: Feed, first: str | None, last: str | None) -> tuple[str, ...]:
    """The windows of a feed between two of them, both included, whose labels are due by today.

    Raises:
        ConfigError: they are no windows, or the first comes after the last.
        DataError: there are fewer than two windows between them.
    """
    if first is not None and last is not None and first_day(first) > first_day(last):
        raise ConfigError(f"--from {first} comes after --until {last}.")
    today = datetime.now(UTC)
    due = tuple(each for each in feed.windows if feed.known_at(each) <= today)
    found = tuple(
        window
        for window in due
        if (first is None or first_day(window) >= first_day(first))
        and (last is None or first_day(window) <= first_day(last))
    )
    if len(found) < 2:  # noqa: PLR2004 - one to learn from and one to be judged on
        there = f"{due[0]} to {due[-1]}" if due else "none"
        raise DataError(
            f"{feed.spec.name} has {len(found)} windows there; a replay takes two at least.",
            hint=f"Its source holds {there} with labels that are due.",
        )
    return found


def play(
    world: World, windows: Sequence[str], policies: Sequence[Rules], reviewer: Reviewer, told: Told
) -> Replay:
    """What each policy would have done with the same history.

    Raises:
        ConfigError: the declaration or the model's code is wrong.
        DataError: under no policy was a window predicted: nothing can be compared.
        IntegrityError: what was stored is not what was recorded.
    """
    spec, tracks = world.spec, [Track(each) for each in policies]
    arrivals: dict[str, Arrival] = {}
    watched: dict[str, list[Watch]] = {each.name: [] for each in policies}
    total = len(windows) * (1 + len(tracks))
    for done, (window, track) in enumerate(_turns(world, windows, tracks)):
        if track is None:
            told(f"{window}: its rows come in", done, total)
            arrivals[window] = world.ingest(window, lambda _: reviewer.batch)
        elif arrivals[window].admitted:
            told(f"{window}: its labels are in, by {track.rules.name}", done, total)
            watched[track.rules.name].append(track.live(world, window, reviewer))
    _require_predicted(world, tracks, tuple(arrivals.values()), watched)
    told("what each gained is measured", total, total)
    against = next((each for each in tracks if each.rules.name == REFERENCE), tracks[0])
    return Replay(
        model=spec.name,
        metric=spec.evaluation.metric,
        more_is_better=direction(spec.evaluation.metric) > 0,
        reviewer=reviewer.name,
        currency=spec.monitoring.value.currency if spec.monitoring.value else None,
        arrivals=tuple(arrivals.values()),
        courses=tuple(_course(world, each, watched[each.rules.name], against) for each in tracks),
        trainings=world.trainings,
        left_out=LEFT_OUT,
    )


def _require_predicted(
    world: World,
    tracks: Sequence[Track],
    arrivals: Sequence[Arrival],
    watched: Mapping[str, Sequence[Watch]],
) -> None:
    """Nothing, where some policy's champion predicted a window; else why none did."""
    if any(track.predictions for track in tracks):
        return
    newest = [each for windows in watched.values() for each in windows][-1:]
    why = [f"{each.window}: {each.failed or _became(each)}" for each in newest]
    why = why or [f"{each.window} did not come in: {each.why}" for each in arrivals[-1:]]
    raise DataError(
        f"No window of {world.spec.name} was predicted under any policy. {why[0]}",
        hint="Replay more windows (--from, --until): the first ones train the first version.",
    )


def _became(watch: Watch) -> str:
    training = watch.training
    if training is None:
        return "nothing was trained."
    if training.promoted:
        return f"version {training.version} took charge when all windows were over."
    return f"version {training.version} was turned down: {training.why}"


def _turns(
    world: World, windows: Sequence[str], tracks: Sequence[Track]
) -> Iterator[tuple[str, Track | None]]:
    """Windows as they end and, each under every policy, as their labels come; in order of time."""
    ends: list[tuple[datetime, int, str]] = [(world.ends(each), 0, each) for each in windows]
    closes = [(world.closes(each), 1, each) for each in windows]
    for _, labels, window in sorted(ends + closes):
        yield from ((window, track) for track in tracks) if labels else [(window, None)]


def alarms_of(watched: Sequence[Watch]) -> int:
    """Windows in which something was amiss: what was due by the calendar is not."""
    return sum(each.alarm.rank >= Action.ALERT.rank for each in watched)


def _course(world: World, track: Track, watched: Sequence[Watch], against: Track) -> Course:
    known = [each for each in watched if each.metric is not None]
    values = np.array([each.metric for each in known], dtype="float64")
    weights = np.array([each.labelled for each in known], dtype="float64")
    sign = direction(world.spec.evaluation.metric)
    trainings = [each.training for each in watched if each.training]
    worth = [each.money for each in watched if each.money is not None]
    return Course(
        policy=track.rules.name,
        windows=tuple(watched),
        metric=float(np.average(values, weights=weights)) if weights.sum() else None,
        worst=known[int((sign * values).argmin())].window if known else None,
        trainings=len(trainings),
        promotions=sum(each.promoted for each in trainings),
        alarms=alarms_of(watched),
        questions=sum(each.action is Action.ASK for each in watched)
        + sum(each.verdict == "ask" for each in trainings),
        cpu_s=round(sum(each.cpu_s for each in trainings), 1),
        gpu_hours=round(sum(each.gpu_hours for each in trainings), 3),
        money=sum(worth) if worth else None,
        gain=None if track is against else gained(world, track, against),
    )


def _always(_: Comparison) -> bool:
    return True


def _never(_: Comparison) -> bool:
    return False
