"""What the worker stands on in Prefect, looked for when it is imported and not at its first run.

Beside what Prefect documents, the worker uses names that Prefect may change in any release: a
Prefect that lacks one is refused with the releases that are supported. Which these are, tests in
environments of their own say (``tests/soak/test_prefect_range.py``).
"""

from collections.abc import Iterable
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Final

from infra.errors import ConfigError, few

SUPPORTED: Final = ">=3.8.4,<3.10"
"""Releases of Prefect with which every claim on the worker holds.

Before 3.8.4 its process worker starts runs in another way, without the executor that ours replaces.
"""

NAMES: Final = (
    "prefect.runner._starter_bundle:execute_bundle_in_subprocess",
    "prefect.runner._starter_engine:run_process",
    "prefect.runner._state_proposer:StateProposer.propose_crashed",
    "prefect.workers.base:BaseWorker._give_worker_labels_to_flow_run",
    "prefect.workers.base:BaseWorker._propose_pending_state",
    "prefect.workers.base:BaseWorker._release_limit_slot",
    "prefect.workers.base:BaseWorker._submit_adhoc_run",
    "prefect.workers.base:BaseWorker._submit_run",
    "prefect.workers.base:BaseWorker._submit_scheduled_flow_runs",
    "prefect.workers.process:FlowRunExecutorContext",
)
"""Overridden, replaced or called."""

USES: Final = {
    "prefect.client.orchestration:PrefectClient.__init__": ("ssl", "create_default_context"),
    "prefect.client.orchestration:SyncPrefectClient.__init__": ("ssl", "create_default_context"),
    "prefect.runner._flow_run_executor:FlowRunExecutorContext.__aenter__": ("_state_proposer",),
    "prefect.runner._starter_bundle:BundleExecutionStarter.start": (
        "execute_bundle_in_subprocess",
    ),
    "prefect.runner._starter_engine:EngineCommandStarter.start": ("run_process",),
    "prefect.runner._workspace_supervisor:_launch_engine": ("execvpe",),
    "prefect.workers.base:BaseWorker.__init__": (
        "_exit_stack",
        "_limiter",
        "_runs_task_group",
        "_submitting_flow_run_ids",
        "_work_pool_name",
    ),
    "prefect.workers.base:BaseWorker._submit_run": ("_propose_pending_state",),
    "prefect.workers.base:BaseWorker.submit": ("_submit_adhoc_run",),
    "prefect.workers.base:BaseWorker.get_and_submit_flow_runs": ("_submit_scheduled_flow_runs",),
    "prefect.workers.process:ProcessWorker.run": ("FlowRunExecutorContext",),
}
"""Functions of Prefect, and the names that each of them must set or call for ours to matter."""


def missing() -> list[str]:
    """The names that this Prefect has not, or no longer uses where ours stands in."""
    return [*(name for name in NAMES if _found(name) is None), *_unused()]


def check() -> None:
    """Do nothing where all of it is there.

    Raises:
        ConfigError: this Prefect is one that the worker cannot run on.
    """
    if lacks := missing():
        raise ConfigError(
            f"Prefect {version('prefect')} lacks what the worker of type gpu-process stands on: "
            f"{few(lacks)}.",
            hint=f"Install a Prefect that it supports: pip install 'prefect{SUPPORTED}'.",
        )


def _unused() -> Iterable[str]:
    for function, names in USES.items():
        code = getattr(_found(function), "__code__", None)
        known = () if code is None else code.co_names
        yield from (f"{name} in {function}" for name in names if name not in known)


def _found(name: str) -> object:
    try:
        return resolve_name(name)
    except (ImportError, AttributeError):
        return None


check()
