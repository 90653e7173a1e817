"""A program that hands a flow to a worker of its own: no deployment, no schedule."""

import sys
import warnings

import anyio
from prefect.workers.base import BaseWorker

from tests.support.promised_flow import promised


async def _main(kind: str, pool: str, report: str) -> None:
    worker_type = BaseWorker.get_worker_class_from_type(kind)
    assert worker_type is not None
    # Else Prefect asks the program `uv`, which a machine need not have, for what is installed.
    promised.launcher = {"execution": [sys.executable]}  # type: ignore[attr-defined] # of another class of flow
    warnings.simplefilter("ignore", FutureWarning)  # "experimental"
    async with worker_type(work_pool_name=pool, name="handing") as worker:
        await worker.sync_with_backend()
        future = await worker.submit(
            promised,
            parameters={"deed": "show", "report": report, "count": 7},
            job_variables={"env": {"MINE": "seven"}},
        )
        await future.wait_async()
        sys.stdout.write(f"\n{future.state.name}\n")


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1], sys.argv[2], sys.argv[3])
