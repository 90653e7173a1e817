"""The whole proof of a model: its shadows side by side, and what they add up to."""

import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Final

from deployments.proof.faults import Faults
from deployments.proof.ground import TOLD, Ground, Say, stand_on
from deployments.proof.result import Calm, Continuous, Followed
from deployments.proof.streams import Stream
from deployments.proof.summing import failures, shifts, untold
from deployments.proof.through import followed
from deployments.proof.trying import Tried, prepared, tried
from deployments.proof.untried import untried, without_calendar
from deployments.shadow.champion import described, train_shadow
from deployments.shadow.feed import read_feed
from deployments.shadow.home import shadow_home
from infra.errors import ResourceError
from infra.settings import settings
from tasks.spec import load_spec

_MOST_PROCESSES: Final = 4
_BEFORE: Final = 0.15
"""Share of the time that reading takes, before the first shadow is tried."""

_GROUND: list[Faults] = []
"""What a process of the pool stands on; set once, when it starts."""


def prove(name: str, say: Say, now: datetime | None = None) -> Continuous:
    """Whether a model's monitor sees what it must, and is silent otherwise.

    Everything happens in a home that is made for it and gone afterwards: no table, champion,
    registered version, deployment or ledger is touched. The same declaration, data and code give
    the same result, but for `seconds`, and until the labels of another window are due.

    Args:
        name: of the model.
        say: told how far it is.
        now: which labels are due is told by it; by default the time of the call.

    Raises:
        ConfigError: the declaration, its builder or its trainer is wrong.
        DataError: the declared source is not there, or holds too few windows.
    """
    began, spec = time.monotonic(), load_spec(name)
    say("reading the declared source", 0.0)
    with shadow_home(OMP_NUM_THREADS="1"):
        ground = stand_on(read_feed(spec), now or datetime.now(UTC), _until(_BEFORE, say))
        ground.require_enough()
        found, through = _all_tried(ground, say)
        steady = _steady(ground) if spec.verify.continuous.steady else None
    proof = _added_up(ground, found, through, steady)
    wrong = failures(proof, spec.verify.continuous)
    return proof.model_copy(
        update={
            "passed": not wrong,
            "failures": wrong,
            "seconds": round(time.monotonic() - began, 1),
        }
    )


def _until(share: float, say: Say) -> Say:
    """Told of a part of the work, whose end is that share of all of it."""
    return lambda text, done: say(text, share * done)


def _all_tried(ground: Ground, say: Say) -> tuple[list[Tried], Followed | None]:
    """Every shadow by its number, and what a verdict of the first leads to."""
    wanted = ground.spec.verify.continuous
    numbers = range(1, wanted.repetitions + 1)
    with _pool(ground) as pool:
        with _deaf():
            tries: dict[Future[Tried], int] = {pool.submit(_try, each): each for each in numbers}
            through = pool.submit(_follow)
        done: dict[int, Tried] = {}
        for each in as_completed(tries):
            done[tries[each]] = each.result()
            share = _BEFORE + (1 - _BEFORE) * len(done) / len(numbers)
            say(f"{len(done)} of {len(numbers)} shadows", share)
        return [done[number] for number in numbers], through.result()


@contextmanager
def _pool(ground: Ground) -> Iterator[ProcessPoolExecutor]:
    """Processes that have the model's rows, as many as there are cores, shadows and room for.

    Whatever ends the block early ends them too: nobody waits for a shadow that is not wanted.

    Raises:
        ResourceError: one of them was killed.
    """
    cores = len(os.sched_getaffinity(0))
    count = min(cores, _MOST_PROCESSES, ground.spec.verify.continuous.repetitions)
    context = get_context("spawn")  # libraries of ours have threads, which a fork would lose
    # Handed over as a file: what is sent to a process that is killed meanwhile is waited for.
    place = settings().home / "ground.pickle"
    place.write_bytes(pickle.dumps(ground))
    with ProcessPoolExecutor(count, context, initializer=_stand, initargs=(place,)) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in active_children():
                child.terminate()
            if isinstance(error, BrokenExecutor):
                raise ResourceError(
                    f"One of {count} processes that try shadows was killed, as for want of memory.",
                    hint="Each takes 1 GB for 300,000 rows: free memory, or give fewer cores "
                    "(taskset -c 0).",
                ) from error
            raise


@contextmanager
def _deaf() -> Iterator[None]:
    """For a moment Ctrl-C is not heard, nor ever by processes that begin in it: we end them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stand(place: Path) -> None:
    warnings.simplefilter("ignore")  # what libraries say of themselves is none of the proof
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ground: Ground = pickle.loads(place.read_bytes())  # noqa: S301 - our own, in a home of our own
    _GROUND.append(Faults(ground))


def _end_with_parent() -> None:
    """End this process when the one that started it has gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _try(number: int) -> Tried:
    return tried(_GROUND[0], number)


def _follow() -> Followed | None:
    """What the first kind that must lead to a training does lead to, in a shadow of its own."""
    wanted = _GROUND[0].ground.spec.verify.continuous
    kinds = [*wanted.retrains, *(kind for kind in wanted.kinds if kind.of_world)]
    # Rows of its own: two processes that train the same would write the same place.
    trial = prepared(_GROUND[0], wanted.repetitions + 1)
    for kind in dict.fromkeys(kinds):
        found = None if kind in trial.left_out else followed(trial, kind)
        if found is not None:
            return found
    return None


def _steady(ground: Ground) -> Calm:
    """The windows as they came, behind the champion that the first of them make."""
    spec, names = without_calendar(ground.spec), list(ground.windows)
    first = {window: ground.windows[window] for window in names[: ground.first]}
    shadow = train_shadow(spec, first, ground.feed.known_at(list(first)[-1]))
    stream, alarms, retrains = Stream(shadow), [], 0
    watched = names[ground.first :]
    for window in watched:
        until = {name: ground.windows[name] for name in names[: names.index(window) + 1]}
        table = described(spec, until, ground.feed.known_at(window))
        heard = stream.follows(window, ground.windows[window], table)
        if heard.is_loud:
            alarms.append(f"{window}: {heard.conclusion.action}: {heard.verdict.reasons[0]}")
            retrains += heard.trains
    return _calm(ground, len(watched), alarms, retrains)


def _calm(ground: Ground, windows: int, alarms: Sequence[str], retrains: int) -> Calm:
    """Windows without a shift; all of their alarms count, and the first ones are told."""
    return Calm(
        windows=windows,
        years=ground.years(windows),
        alarms=len(alarms),
        retrains=retrains,
        told=tuple(alarms[:TOLD]),
    )


def _added_up(
    ground: Ground, found: Sequence[Tried], through: Followed | None, steady: Calm | None
) -> Continuous:
    spec, wanted = ground.spec, ground.spec.verify.continuous
    alarms = [alarm for each in found for alarm in each.alarms]
    injections = tuple(injection for each in found for injection in each.injections)
    return Continuous(
        model=spec.name,
        passed=False,
        failures=(),
        seed=wanted.seed,
        repetitions=wanted.repetitions,
        grain=spec.data.grain,
        source_windows=len(ground.windows),
        max_false_alarms=wanted.max_false_alarms,
        max_delay=wanted.max_delay,
        contract=ground.contract,
        unshifted=_calm(
            ground, sum(each.calm for each in found), alarms, sum(each.retrains for each in found)
        ),
        steady=steady,
        unlabelled_windows=ground.left_out,
        unlabelled_rows=ground.unlabelled,
        shifts=tuple(shifts(injections)),
        left_out=untried(spec)
        | {name: why for each in found for name, why in each.left_out.items()},
        followed=through,
        channels=tuple(dict.fromkeys(name for rule in spec.alerts for name in rule.to)),
        untold=untold(injections, spec.alerts),
        injections=injections,
        seconds=0.0,
    )
