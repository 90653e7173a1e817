"""The work pool of this home's own worker: made where there is none, and kept as it should be."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOL: Final = "perennial"
"""The pool of every deployment of ours, and of the worker that `perennial up` starts."""

KIND: Final = "gpu-process"
"""Its type. A home of an older version has one of type ``process``, which Prefect cannot change."""

NOT_AGAIN: Final = 78
"""The exit code of a worker that would only fail again: a supervisor leaves it at that.

Source:
    sysexits.h, EX_CONFIG.
"""

SETTLED_S: Final = 2
"""How long a worker stays up before it may leave with that code, in seconds.

The supervisor takes an earlier end for a start that failed: it tries again, whatever the code.
"""


def ensure_pool(client: "SyncPrefectClient") -> str:
    """Make the pool, or give one of an older home the job variables of today.

    A pool of another type stays what it is called: to make it anew would lose the runs that wait
    in it. Our worker serves it all the same, by the template that it is given here.

    Returns:
        What was done to an older pool, a sentence; empty where nothing was.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    from infra.gpu.worker import GpuProcessWorker

    template = GpuProcessWorker.get_default_base_job_template()
    try:
        there = client.read_work_pool(POOL)
    except ObjectNotFound:
        try:
            client.create_work_pool(
                WorkPoolCreate(name=POOL, type=KIND, base_job_template=template)
            )
        except ObjectAlreadyExists:  # a worker that started just now made it first
            return ""
        return ""
    if there.type == KIND or _knows(there.base_job_template, template):
        return ""
    client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
    return (
        f"The work pool {POOL} keeps the type {there.type} that it was made with, and has the job "
        f"variables of {KIND} from now on: its runs are leased what they ask."
    )


def _knows(there: dict[str, object], template: dict[str, object]) -> bool:
    """Whether a template has every job variable of another."""
    return _variables(template) <= _variables(there)


def _variables(template: dict[str, object]) -> set[str]:
    variables = template.get("variables")
    known = variables.get("properties") if isinstance(variables, dict) else None
    return set(known) if isinstance(known, dict) else set()
