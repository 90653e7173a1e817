"""What a ``gpu-process`` work pool lets a deployment say, and where a run's request is read."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from prefect.workers.process import ProcessJobConfiguration, ProcessVariables
from pydantic import PrivateAttr, ValidationError, create_model

from infra.errors import ConfigError, fault, few
from infra.resources import RunRequest

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
    from prefect.client.schemas.responses import DeploymentResponse

HINT: Final = "Change the deployment's job variables, or training.resources of its model.yaml."

DEVICES: Final = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
"""What a lease sets; a request that sets them too contradicts itself."""


class GpuProcessJobConfiguration(ProcessJobConfiguration):
    """How a run is started, and what it asked; what it asked is judged by `request` alone.

    A request is kept as it came, so that a wrong one is refused on its own run in our words.
    """

    gpus: Any = 0
    gpu_memory: Any = None
    gpu_model: Any = None
    compute_capability: Any = None
    exclusive: Any = None
    accept_advisory: Any = False
    cpus: Any = 0
    memory: Any = None
    max_runtime: Any = None
    priority: Any = 0
    checkpoint_grace: Any = timedelta(seconds=30)

    _given: dict[str, str] = PrivateAttr(default_factory=dict)

    def prepare_for_flow_run(
        self,
        flow_run: "FlowRun",
        deployment: "DeploymentResponse | None" = None,
        flow: "Flow | None" = None,
        work_pool: "WorkPool | None" = None,
        worker_name: str | None = None,
        worker_id: "UUID | None" = None,
    ) -> None:
        """As Prefect's; what the job variables set is noted before the worker's is added."""
        self._given = {name: value for name, value in self.env.items() if value is not None}
        super().prepare_for_flow_run(
            flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id
        )

    @property
    def given(self) -> dict[str, str]:
        """The variables that the deployment sets itself."""
        return dict(self._given)

    @property
    def request(self) -> RunRequest:
        """What the run asks.

        Raises:
            ConfigError: it is no request, or contradicts itself.
        """
        if named := [name for name in self._given or self.env if name in DEVICES]:
            raise ConfigError(
                f"The job variable env sets {few(named)}; which devices a run sees is said by "
                "its lease.",
                hint="Remove it, and say with gpus how many devices the run needs.",
            )
        asked = {name: getattr(self, name) for name in RunRequest.model_fields}
        try:
            return RunRequest.model_validate(asked)
        except ValidationError as error:
            said = [fault(str(next(iter(each["loc"]), "")), each["msg"]) for each in error.errors()]
            raise ConfigError(f"The run's request is wrong: {few(said)}.", hint=HINT) from error


GpuProcessVariables = create_model(
    "GpuProcessVariables",
    __base__=ProcessVariables,
    __doc__="What the form of a ``gpu-process`` pool offers: Prefect's, and a `RunRequest`.",
    **{name: (field.annotation, field) for name, field in RunRequest.model_fields.items()},
)  # type: ignore[call-overload] # fields that are made of another model's
