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

    It counts as seen only by what the contract does not do to the clean delivery as well: an
    ending that is worse, or rows set aside beyond those of the clean one.

    Args:
        draft: the fault.
        faults: of the feed.
        target: what it hits.
    """
    window = _own_window(list(faults.ground.windows), draft.repetition)
    own = faults.ground.feed.raw(window)[target.table]
    rows = faults.delivered(draft.kind, target, own, draft.size)
    clean = faults.examined(window, target.table)
    held = faults.examined(window, target.table, rows)
    worse = held.ending.severity > clean.ending.severity
    stops = worse and held.ending in {Ending.HOLD, Ending.REJECT}
    broken = faults.broken_rows(draft.kind, target, own, draft.size)
    more = held.aside[target.table] - clean.aside[target.table]
    aside = draft.kind is not ShiftKind.SILENCE and more >= max(1, _MOST_OF_IT * broken)
    found = draft.model_copy(update={"contract": held.ending})
    if not (stops or aside):
        return found
    ending = held.ending if stops else Ending.QUARANTINE
    known = {each.message for each in clean.findings}
    told = [each.message for each in held.findings if each.ending is ending]
    return found.model_copy(
        update={
            "by": "contract",
            "delay": 1,
            "days": float((end_day(window) - first_day(window)).days),
            "followed": ending.value,
            "says": next((each for each in told if each not in known), told[0]),
        }
    )


def _own_window(names: list[str], number: int) -> str:
    """A window as it came that has a past, another one for each shadow, the newest first."""
    known = names[max(1, len(names) // 3) :][::-1]
    return known[(number - 1) % len(known)]
