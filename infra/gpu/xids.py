"""What NVIDIA's numbered driver errors (XIDs) mean for who may use a GPU."""

from typing import Literal

Action = Literal["ok", "drain", "reset"]
"""``drain``: no new lease, what runs may end. ``reset``: none before a person has reset the GPU."""

Meaning = tuple[Action, str]

_COPY_ENGINES = (39, 40, 41, 70, 71, 72, 75, 76, 77, 85, *range(126, 136))
_VIDEO_ENGINES = (60, 68, 82, 83, 84, 86, 88, 89, *range(96, 106), 139)

XIDS: dict[int, Meaning] = {
    **dict.fromkeys(_COPY_ENGINES, ("ok", "a run's copy failed")),
    **dict.fromkeys(_VIDEO_ENGINES, ("ok", "a run's use of a video or optical flow engine failed")),
    **dict.fromkeys((11, 25, 32, 69, 80), ("ok", "a run sent commands that the GPU refuses")),
    **dict.fromkeys((14, 37, 38, 44, 66, 67, 106, 107, 141), ("ok", "logged for support alone")),
    8: ("ok", "a run's work did not end in time"),
    13: ("ok", "a run's kernel failed, most often by an address out of bounds"),
    31: ("ok", "a run read or wrote memory that is not its own"),
    43: ("ok", "a run's work was stopped after an error of its own"),
    45: ("ok", "a run's work was cleared away after it ended or failed"),
    46: ("reset", "the GPU stopped processing"),
    48: ("reset", "an ECC error that could not be corrected"),
    54: ("drain", "it runs at reduced power; the power cables want a look"),
    62: ("reset", "its power management controller halted"),
    63: ("ok", "a bad row of memory was marked for remapping"),
    64: ("reset", "a bad row of memory could not be marked for remapping"),
    74: ("drain", "an NVLink failed"),
    78: ("drain", "the driver does not suit its virtual GPU host"),
    79: ("reset", "it fell off the bus; the machine must be restarted"),
    92: ("ok", "corrected ECC errors are frequent"),
    93: ("ok", "its board memory nears the end of its life"),
    94: ("ok", "an ECC error that was contained to the run that met it"),
    95: ("reset", "an ECC error that was not contained: every run on it may be wrong"),
    108: ("ok", "a run used a peer's memory that is not its own"),
    109: ("drain", "a run could not be switched out in time"),
    110: ("reset", "a security fault"),
    119: ("reset", "its system processor does not answer"),
    120: ("reset", "its system processor failed"),
    121: ("ok", "the link to its CPU corrected an error"),
    136: ("reset", "a link could not be trained"),
    137: ("ok", "a run used an NVLink peer's memory that is not its own"),
    140: ("reset", "an ECC error that the driver could not recover from"),
    143: ("reset", "it could not be initialised"),
    **dict.fromkeys(range(144, 151), ("drain", "an NVLink failed")),
    151: ("reset", "its encryption keys could not be renewed"),
    154: ("drain", "the driver wants it reset, drained or restarted; its log says which"),
    155: ("reset", "an NVLink is down for good"),
    156: ("reset", "a faulty part was marked to be taken out of use"),
    157: ("ok", "a faulty part could not be marked to be taken out of use"),
    158: ("reset", "it does not answer in time"),
    160: ("ok", "a memory channel was marked for repair"),
    161: ("ok", "a memory channel could not be marked for repair"),
    167: ("drain", "a PCIe request was not answered in time"),
    168: ("drain", "it offers less memory than it should"),
    169: ("drain", "its security processor halted"),
    171: ("drain", "an ECC error of its board memory could not be corrected"),
    172: ("drain", "an ECC error of its caches could not be corrected"),
}
"""By number.

Source:
    NVIDIA, Xid errors, "Analyzing Xid Errors with the Xid Catalog" (releases R565 to R610), by its
    immediate action: ignore and restart the application are ``ok``; reset the GPU, restart the
    machine and its workflow for 48 are ``reset``. Where it asks to read registers or the log (74,
    144 to 150, 154), to look at the machine (54, 78), or names no action (167 to 172), the GPU is
    drained. 109: the catalogue resets, NVIDIA's device plugin for Kubernetes takes it for an error
    of the application; between the two stands drain.
"""


def meaning(code: int) -> Meaning:
    """What is to be done after an XID, and what it says; one that we do not know drains.

    >>> meaning(79)
    ('reset', 'it fell off the bus; the machine must be restarted')
    >>> meaning(999)[0]
    'drain'
    """
    return XIDS.get(code, ("drain", "an error that we do not know"))
