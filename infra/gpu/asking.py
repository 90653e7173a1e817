"""What each waiting run asks, read once and not at every look."""

import copy
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from infra.errors import ConfigError, fault, few
from infra.gpu.configuration import HINT
from infra.resources import RunRequest

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, WorkPool

    from infra.gpu.configuration import GpuProcessJobConfiguration

_KEPT_S: Final = 60.0
"""So long a request is taken as read: a deployment that is changed while its runs wait is heard."""


class _Known(NamedTuple):
    request: RunRequest | ConfigError
    at_s: float


class Requests:
    """The requests of runs, each read from the server once a minute at most.

    To read one takes two calls of the API.
    """

    def __init__(self, configuration: "type[GpuProcessJobConfiguration]") -> None:
        self._configuration = configuration
        self._read: dict[UUID, _Known] = {}

    async def of(
        self, run: "FlowRun", client: "PrefectClient", pool: "WorkPool", worker: str
    ) -> RunRequest | None:
        """What a run asks, None where its deployment is gone.

        Raises:
            ConfigError: it asks for nonsense; nothing is placed for it.
        """
        known = self._read.get(run.id)
        if known is None or time.monotonic() - known.at_s >= _KEPT_S:
            try:
                fresh = await self._fresh(run, client, pool, worker)
            except ObjectNotFound:
                return None
            known = _Known(fresh, time.monotonic())
            self._read[run.id] = known
        if isinstance(known.request, ConfigError):
            raise known.request
        return known.request

    def keep(self, waiting: "set[UUID]") -> None:
        """Forget the requests of all runs but those that wait."""
        self._read = {run: read for run, read in self._read.items() if run in waiting}

    async def _fresh(
        self, run: "FlowRun", client: "PrefectClient", pool: "WorkPool", worker: str
    ) -> RunRequest | ConfigError:
        resolved = self._configuration.resolve_for_flow_run(
            run.model_copy(deep=True),  # it takes env out of the run's variables
            client=client,
            work_pool=copy.deepcopy(pool),
            worker_name=worker,
        )
        return await _read(resolved)

    async def of_variables(
        self, variables: dict[str, Any], client: "PrefectClient", pool: "WorkPool"
    ) -> RunRequest:
        """What a run of no deployment asks by its job variables.

        Raises:
            ConfigError: it asks for nonsense.
        """
        template, values = copy.deepcopy((pool.base_job_template, variables))
        found = await _read(
            self._configuration.from_template_and_values(template, values, client=client)
        )
        if isinstance(found, ConfigError):
            raise found
        return found


async def _read(resolved: "Awaitable[GpuProcessJobConfiguration]") -> RunRequest | ConfigError:
    """The request of a configuration, or what is wrong with either."""
    try:
        found = await resolved
    except ValidationError as error:
        said = few([fault(str(each["loc"][0]), each["msg"]) for each in error.errors()])
        return ConfigError(f"The run's job variables are wrong: {said}.", hint=HINT)
    except (ObjectNotFound, httpx.TransportError):
        raise
    except Exception as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.is_server_error:
            raise
        told = f"{type(error).__name__}: {error}"
        return ConfigError(f"The run's job variables cannot be read: {told}.", hint=HINT)
    try:
        return found.request
    except ConfigError as error:
        return error
