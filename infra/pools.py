"""The work pool of this home's own worker: made where there is none, and kept as it should be."""

from typing import TYPE_CHECKING, Any, Final

from infra.errors import few

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

Template = dict[str, Any]
"""Of a pool's jobs, as Prefect keeps it: ``job_configuration`` and ``variables``."""

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
    """Make the pool, or give one of an older Perennial the job variables that it lacks.

    What its people changed in its template stays: nothing that is there is written over. A pool of
    another type stays what it is called: to make it anew would lose the runs that wait in it. Our
    worker serves it all the same.

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
    lacking = _lacking(there.base_job_template, template)
    if not lacking:
        return ""
    grown = _grown(there.base_job_template, template)
    client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=grown))
    kept = "" if there.type == KIND else f" keeps the type {there.type}, and"
    return f"The work pool {POOL}{kept} has the job variables {few(lacking)} from now on."


def _lacking(there: Template, template: Template) -> list[str]:
    """The job variables that a template does not have, or does not hand to the worker."""
    own, ours = _variables(there), _variables(template)
    asked, said = _part(there, "job_configuration"), _part(template, "job_configuration")
    return sorted((set(ours) - set(own)) | (set(said) - set(asked)))


def _grown(there: Template, template: Template) -> Template:
    """A template with everything of another that it lacks."""
    variables = _part(there, "variables")
    properties = {**_variables(template), **_variables(there)}
    return {
        **there,
        "job_configuration": {
            **_part(template, "job_configuration"),
            **_part(there, "job_configuration"),
        },
        "variables": {**_part(template, "variables"), **variables, "properties": properties},
    }


def _variables(template: Template) -> Template:
    return _part(_part(template, "variables"), "properties")


def _part(template: Template, name: str) -> Template:
    found = template.get(name)
    return found if isinstance(found, dict) else {}
