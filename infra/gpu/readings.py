"""What a driver says of its devices at one time; None is what it does not say, never zero."""

from pydantic import BaseModel, ConfigDict, Field

from infra.gpu.devices import Inventory


class Reading(BaseModel):
    """Frozen, as everything that was read."""

    model_config = ConfigDict(frozen=True)


class Occupant(Reading):
    """A process that computes on a device, as the driver sees it."""

    pid: int
    memory_bytes: int | None = None


class Usage(Reading):
    """Who is on a device and what it does.

    `processes` compute; `drawing` are those that only draw, which keep no run away. `used_bytes`
    leaves out what the driver reserves for itself, unless an old driver cannot tell the two apart;
    it returns to the same baseline either way. `energy_j` counts from the last load of the driver.
    """

    processes: tuple[Occupant, ...] | None = None
    drawing: tuple[Occupant, ...] = ()
    used_bytes: int | None = None
    busy_percent: int | None = None
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: int | None = None


class Vitals(Reading):
    """How a GPU is; slices share those of their GPU.

    `fault` is the driver's word where it no longer reaches the GPU. ECC counts are since the last
    reset, and with ``ever`` over its life.
    """

    fault: str = ""
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_corrected_ever: int | None = None
    ecc_uncorrected_ever: int | None = None
    rows_correctable: int | None = None
    rows_uncorrectable: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    slowdowns: tuple[str, ...] | None = None
    pcie_width: int | None = None
    pcie_width_most: int | None = None


class XidEvent(Reading):
    """An error that the driver reported of a GPU: its UUID and NVIDIA's number of the error."""

    uuid: str
    code: int


class Observation(Reading):
    """A machine as one look found it.

    Attributes:
        inventory: devices that can be leased; a GPU in MIG mode is there as its slices.
        usage: by UUID of such a device.
        vitals: by UUID of a whole GPU, one in MIG mode too.
        absent: why there are no devices at all; empty where there are.
        troubles: sentences on what the driver could not say though it should.
    """

    inventory: Inventory
    usage: dict[str, Usage] = Field(default_factory=dict)
    vitals: dict[str, Vitals] = Field(default_factory=dict)
    absent: str = ""
    troubles: tuple[str, ...] = ()

    def vitals_of(self, uuid: str) -> Vitals:
        """How the GPU is that a device is, or is a slice of; all unknown where nobody knows."""
        device = self.inventory.device(uuid)
        gpu = uuid if device is None else device.parent or uuid
        return self.vitals.get(gpu, Vitals())
