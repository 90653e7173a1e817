"""What many injections add up to, and what of it falls short of the declaration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

from deployments.proof.result import Continuous, Followed, Injection, Shift
from infra.errors import few
from tasks.governance.notices import AlertSpec, Occasion
from tasks.references import Action, Cause
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


def untold(
    injections: Sequence[Injection], rules: Sequence[AlertSpec]
) -> dict[Occasion, tuple[ShiftKind, ...]]:
    """What gross shifts lead to that no rule tells anybody of, each with the kinds of shifts."""
    known = {occasion for rule in rules for occasion in rule.on}
    found: dict[Occasion, dict[ShiftKind, None]] = {}
    for each in injections:
        if each.gross and each.followed in set(Occasion) and each.followed not in known:
            found.setdefault(Occasion(each.followed), {})[each.kind] = None
    return {occasion: tuple(kinds) for occasion, kinds in found.items()}


def failures(proof: Continuous, wanted: ContinuousSpec) -> tuple[str, ...]:
    """What falls short, a sentence each; nothing where the proof passes."""
    return (
        *_of_nothing(proof),
        *_of_calm(proof, wanted),
        *_of_shifts(proof, wanted),
        *_of_consequences(proof, wanted),
    )


def _of_nothing(proof: Continuous) -> Iterator[str]:
    if not proof.shifts:
        yield "No shift could be tried: the model has nothing that the declared kinds hit."


def _of_calm(proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    calm, contract, steady = proof.unshifted, proof.contract, proof.steady
    may = f" a year; {wanted.max_false_alarms:g} may."
    if calm.alarms_a_year > wanted.max_false_alarms:
        yield (
            f"{calm.alarms} of {calm.windows} windows without a shift alarmed, "
            f"{calm.alarms_a_year:.2f}{may} {calm.told[0]}"
        )
    if contract.alarms_a_year > wanted.max_false_alarms or (steady and contract.alarms):
        yield (
            f"The contract stops {contract.alarms} of {contract.windows} windows as they came, "
            f"{contract.alarms_a_year:.2f}{' a year; nothing moves in them.' if steady else may} "
            f"{contract.told[0]}"
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
    learned = [each for each in proof.injections if not each.kind.of_world and each.trained]
    if learned:
        first = learned[0]
        yield (
            f"{len(learned)} faults of a feed or of predictions led to a training; first "
            f"{first.kind} of {first.size:g} in {first.where}: {first.says}"
        )
    for kind in wanted.retrains:
        idle = [
            each
            for each in proof.injections
            if each.kind is kind and each.gross and not each.would_train
        ]
        if kind.value in proof.left_out:
            yield (
                f"The gross {kind} must lead to a training and could not be tried: "
                f"{proof.left_out[kind.value]}."
            )
        if idle:
            yield (
                f"The gross {kind} led to no training in {len(idle)} of {proof.repetitions} "
                f"shadows, but to {_instead(idle[0])}."
            )
    yield from _of_what_followed(proof, wanted)
    alone = proof.untold.get(Occasion.ALERT, ())
    if proof.channels and alone:
        yield (
            f"No more than an alert follows from the gross {few([each.value for each in alone])}, "
            f"and no rule under `alerts` tells it to anybody."
        )


def _instead(idle: Injection) -> str:
    """What a shift led to in place of a training of its own."""
    if idle.followed == Action.RETRAIN:
        return "one that starts without it too"
    return idle.followed or "nothing"


def _of_what_followed(proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    found = proof.followed
    if found is None:
        if any(each.kind.of_world for each in proof.shifts):
            yield "No shift of the world led to anything: nobody would be told."
        return
    yield from _of_the_idle(found, proof, wanted)
    unheard = [name for name in found.wanted if name not in found.told]
    if unheard:
        yield f"A verdict was to be told to {few(unheard)}, and no message came to the receiver."
    if found.conclusion is not Action.RETRAIN:
        return
    asked = found.started
    if asked is None:
        yield "A verdict asked for a training, and none was started."
        return
    right = (f"train/{proof.model}", Cause.DRIFT, found.as_of)
    if (asked.deployment, asked.cause, asked.as_of) != right:
        yield (
            f"A verdict asked for a training for drift as of {found.as_of:%F}; what was started is "
            f"{asked.deployment}, cause {asked.cause}, as of {asked.as_of}."
        )


def _of_the_idle(found: Followed, proof: Continuous, wanted: ContinuousSpec) -> Iterator[str]:
    """Kinds that must lead to a training, and that led to none when what follows was tried."""
    for kind in takewhile(lambda each: each is not found.kind, wanted.retrains):
        if kind.value not in proof.left_out:
            yield f"The gross {kind}, tried to its end, led to nothing."
    if found.kind in wanted.retrains and found.conclusion is not Action.RETRAIN:
        yield (
            f"The gross {found.kind}, tried to its end, led to no training, "
            f"but to {found.conclusion}."
        )


def _frequent(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(word for word, _ in Counter(words).most_common())
