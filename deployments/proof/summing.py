"""What many injections add up to, and what of it falls short of the declaration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from deployments.proof.result import Continuous, Injection, Shift
from tasks.references import Action
from tasks.verification.spec import ContinuousSpec, ShiftKind


def shifts(injections: Sequence[Injection]) -> Iterator[Shift]:
    """Each kind at each size over all shadows, in the order of the kinds, small to gross."""
    order = {kind: place for place, kind in enumerate(ShiftKind)}
    by = sorted(injections, key=lambda each: (order[each.kind], each.size, each.repetition))
    for (kind, size), those in groupby(by, key=lambda each: (each.kind, each.size)):
        tried = list(those)
        seen = [each for each in tried if each.delay is not None]
        whole = len(seen) == len(tried)
        yield Shift(
            kind=kind,
            size=size,
            gross=tried[0].gross,
            tried=len(tried),
            seen=len(seen),
            delay=max(each.delay or 0 for each in seen) if whole else None,
            days=max(each.days or 0.0 for each in seen) if whole else None,
            by=_frequent(each.by for each in seen),
            followed=_frequent(each.followed for each in seen),
            where=tuple(dict.fromkeys(each.where for each in tried)),
        )


def failures(proof: Continuous, wanted: ContinuousSpec) -> tuple[str, ...]:
    """What falls short, a sentence each; nothing where the proof passes."""
    return (*_of_calm(proof, wanted), *_of_shifts(proof, wanted), *_of_consequences(proof, wanted))


def _of_calm(proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    calm, steady = proof.unshifted, proof.steady
    if calm.alarms_a_year > wanted.max_false_alarms:
        yield (
            f"{calm.alarms} of {calm.windows} windows without a shift alarmed, "
            f"{calm.alarms_a_year:.2f} a year; {wanted.max_false_alarms:g} may. {calm.told[0]}"
        )
    if steady is not None and steady.alarms:
        yield (
            f"{steady.alarms} of {steady.windows} windows as they came alarmed, though nothing "
            f"moves in them. {steady.told[0]}"
        )


def _of_shifts(proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    for shift in proof.shifts:
        if not shift.gross or (shift.delay is not None and shift.delay <= wanted.max_delay):
            continue
        late = [
            each
            for each in proof.injections
            if (each.kind, each.size) == (shift.kind, shift.size)
            and (each.delay is None or each.delay > wanted.max_delay)
        ]
        yield (
            f"The gross {shift.kind} ({shift.size:g}) was not seen within {wanted.max_delay} "
            f"{'window' if wanted.max_delay == 1 else 'windows'} in {len(late)} of {shift.tried} "
            f"shadows; first in {late[0].where}."
        )


def _of_consequences(proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    learned = [each for each in proof.injections if each.kind.of_feed and each.trained]
    if learned:
        first = learned[0]
        yield (
            f"{len(learned)} faults of the feed led to a training; first {first.kind} of "
            f"{first.size:g} in {first.where}: {first.says}"
        )
    for kind in wanted.retrains:
        idle = [
            each
            for each in proof.injections
            if each.kind is kind and each.gross and Action.RETRAIN not in each.actions
        ]
        if idle:
            yield (
                f"The gross {kind} led to no training in {len(idle)} of {proof.repetitions} "
                f"shadows, but to {idle[0].followed or 'nothing'}."
            )
    if proof.followed is None:
        yield "No shift of the world led to anything: nobody would be told."
    elif not proof.followed.delivered:
        yield "A verdict asked for an alert, and no message came to the receiver."


def _frequent(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(word for word, _ in Counter(words).most_common())
