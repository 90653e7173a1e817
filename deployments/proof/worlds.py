"""A world that moves: rows of a window as they would be after a shift of a kind and a size."""

from collections.abc import Sequence

import pandas as pd

from deployments.proof.ground import Ground
from deployments.shadow.champion import Shadow
from tasks.verification.shifts import flipped, moved, widened, with_segment
from tasks.verification.spec import ShiftKind


def shifted(
    kind: ShiftKind, size: float, rows: pd.DataFrame, ground: Ground, shadow: Shadow, seed: int
) -> pd.DataFrame:
    """The rows of a window of a world that moved.

    Args:
        kind: one of the world.
        size: of the shift.
        rows: as they were.
        ground: all rows, which say what is usual.
        shadow: whose champion says which numbers matter.
        seed: of which rows are hit, where it is a share of them.
    """
    spec, pool = ground.spec, ground.pool
    numbers = numbers_that_matter(shadow)
    match kind:
        case ShiftKind.MEAN:
            return moved(rows, {name: float(pool[name].std()) for name in numbers}, size)
        case ShiftKind.VARIANCE:
            return widened(rows, {name: float(pool[name].mean()) for name in numbers}, size)
        case ShiftKind.FLIP:
            return flipped(rows, spec.data.label, size, seed)
        case _:
            beyond = {name: float(pool[name].max() + pool[name].std()) for name in numbers}
            return with_segment(rows, spec.features.categorical, beyond, size, seed)


def hits(kind: ShiftKind, ground: Ground, shadow: Shadow) -> str:
    """What a shift of the world hits, as people name it; empty where there is nothing."""
    match kind:
        case ShiftKind.FLIP:
            return ground.spec.data.label.name
        case ShiftKind.SEGMENT if ground.spec.features.categorical:
            return ", ".join(ground.spec.features.categorical)
        case _:
            return ", ".join(numbers_that_matter(shadow))


def numbers_that_matter(shadow: Shadow) -> Sequence[str]:
    """The fewest numeric features that hold half of the importance of all of them, by weight."""
    table = shadow.champion.candidate.fitted.split.table
    found = shadow.champion.candidate.evaluation.importances
    numeric = [name for name in table.features if name not in table.categorical]
    weights = {name: max(found.get(name, 0.0), 0.0) for name in numeric}
    half, held = sum(weights.values()) / 2, 0.0
    chosen: list[str] = []
    for name, weight in sorted(weights.items(), key=lambda each: -each[1]):
        if chosen and held >= half:
            break
        chosen.append(name)
        held += weight
    return chosen
