"""Whether a GPU is fit to be leased: from what its driver says to a verdict in words."""

from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from infra.gpu.readings import Vitals
from infra.gpu.xids import Action, Meaning, meaning

LASTING = 3
"""So many looks in a row must find what passes by itself (heat, a link that is retrained).

Source:
    ours: at a look every few seconds, longer than one burst of load and shorter than an epoch.
"""

_UNCORRECTED_MOST = 0
"""ECC errors since the last reset that may have spoilt a run's numbers.

Source:
    NVIDIA, GPU Debug Guidelines and Xid 48: an uncorrectable error is cleared by a reset alone.
"""

_SEVERITY: tuple[Action, ...] = ("ok", "drain", "reset")


class Health(BaseModel):
    """What is to be done with a GPU, and why; ``ok`` needs no words."""

    model_config = ConfigDict(frozen=True)

    action: Action = "ok"
    why: str = ""


def judge(vitals: Vitals, xids: Collection[int] = (), before: Sequence[Vitals] = ()) -> Health:
    """The verdict on a GPU: the severest of its signs, all of that severity in words.

    What the driver does not say counts neither for nor against a GPU.

    Args:
        vitals: what the driver says now.
        xids: errors that it reported since the GPU was last reset or let in again.
        before: earlier looks, the latest last; they tell what lasts from what passes.

    Source:
        NVIDIA, GPU Memory Error Management: a pending remap takes effect at a reset, and a failed
        one is a reason to return the board; aggregate counts and remapped rows are history and
        condemn no GPU. Slowdown by hardware and lost PCIe lanes: NVIDIA's DCGM health checks of
        thermals, power and PCIe.
    """
    if vitals.fault:
        return Health(action="reset", why=f"the driver says of it: {vitals.fault}")
    signs = [*_memory(vitals), *_reported(xids), *_lasting([*before, vitals][-LASTING:])]
    worst = max((action for action, _ in signs), key=_SEVERITY.index, default="ok")
    if worst == "ok":
        return Health()
    return Health(action=worst, why="; ".join(why for action, why in signs if action == worst))


def _memory(vitals: Vitals) -> Iterator[Meaning]:
    if vitals.remap_failed:
        yield "reset", "bad rows of memory could not be remapped; NVIDIA replaces such boards"
    if vitals.remap_pending:
        yield "reset", "bad rows of memory are remapped at the next reset"
    errors = vitals.ecc_uncorrected or 0
    if errors > _UNCORRECTED_MOST:
        yield "reset", f"{errors} ECC errors since the last reset could not be corrected"


def _reported(xids: Collection[int]) -> Iterator[Meaning]:
    for code in sorted(set(xids)):
        action, why = meaning(code)
        yield action, f"XID {code}: {why}"


def _lasting(looks: Sequence[Vitals]) -> Iterator[Meaning]:
    """What every one of the last looks found; fewer looks than `LASTING` tell nothing yet."""
    if len(looks) < LASTING:
        return
    slow = set.intersection(*(set(look.slowdowns or ()) for look in looks))
    if slow:
        yield "drain", f"slowed down by hardware: {', '.join(sorted(slow))}"
    if all(_lost_lanes(look) for look in looks):
        last = looks[-1]
        yield "drain", f"{last.pcie_width} of {last.pcie_width_most} PCIe lanes work"


def _lost_lanes(look: Vitals) -> bool:
    """Whether a link has fewer lanes than card and slot allow; a width of 0 is not known."""
    return bool(look.pcie_width and look.pcie_width < (look.pcie_width_most or 0))
