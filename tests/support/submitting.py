"""A worker in a program of one's own: ``python -m tests.support.submitting POOL REPORT GPUS``.

It submits the seeing flow twice, each with so many GPUs, and waits for both.
"""

import asyncio
import sys
import warnings

from infra.gpu.worker import GpuProcessWorker
from tests.support.seeing_flow import seeing


async def main(pool: str, report: str, gpus: str) -> None:
    """Submit, wait, and print how each has ended."""
    warnings.simplefilter("ignore", FutureWarning)
    async with GpuProcessWorker(work_pool_name=pool, name="program") as worker:
        for number in (1, 2):
            future = await worker.submit(
                seeing, {"report": f"{report}-{number}"}, {"gpus": float(gpus)}
            )
            run = await worker.client.read_flow_run(future.flow_run_id)
            while run.state is None or not run.state.is_final():
                await asyncio.sleep(0.1)
                run = await worker.client.read_flow_run(run.id)
            print("ENDED", run.state.name)  # noqa: T201 - read by the test


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
