"""What the contract does about a feed that broke: stop the batch, set its rows aside, nothing."""

from typing import Final

from deployments.proof.faults import Faults, Target
from deployments.proof.result import Injection
from tasks.references import Ending
from tasks.verification.spec import ShiftKind
from tasks.windows import end_day, first_day

_MOST_OF_IT: Final = 0.5
"""Share of the broken rows from which on their being set aside counts as seen."""


def contracted(draft: Injection, faults: Faults, target: Target) -> Injection:
    """A fault as the contract takes it: in a window as it came, after all those before it.

    Args:
        draft: the fault.
        faults: of the feed.
        target: what it hits.
    """
    ground = faults.ground
    window = _own_window(list(ground.raw), draft.repetition)
    before = {
        name: frames for name, frames in ground.raw.items() if first_day(name) < first_day(window)
    }
    rows = faults.delivered(draft.kind, target, window, draft.size)
    held = ground.feed.examined(window, before, {target.table: rows})
    stops = held.ending in {Ending.HOLD, Ending.REJECT}
    aside = draft.kind is not ShiftKind.SILENCE and held.aside[target.table] >= max(
        1, _MOST_OF_IT * draft.size * len(rows)
    )
    found = draft.model_copy(update={"contract": held.ending})
    if not (stops or aside):
        return found
    ending = held.ending if stops else Ending.QUARANTINE
    told = next(each for each in held.findings if each.ending is ending)
    return found.model_copy(
        update={
            "by": "contract",
            "delay": 1,
            "days": float((end_day(window) - first_day(window)).days),
            "followed": ending.value,
            "says": told.message,
        }
    )


def _own_window(names: list[str], number: int) -> str:
    """A window as it came that has a past, another one for each shadow, the newest first."""
    known = names[max(1, len(names) // 3) :][::-1]
    return known[(number - 1) % len(known)]
