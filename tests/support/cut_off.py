"""A worker whose first run finds no event stream: ``python -m tests.support.cut_off POOL``."""

import asyncio
import sys
from typing import Any

from prefect.runner._flow_run_executor import FlowRunExecutorContext

from infra.gpu.worker import GpuProcessWorker

_enter = FlowRunExecutorContext.__aenter__


async def _fail_once(context: Any) -> Any:  # noqa: ANN401 - Prefect's
    FlowRunExecutorContext.__aenter__ = _enter  # type: ignore[method-assign] # from now on as it was
    raise ConnectionError("no event stream")  # Prefect's own words for it are of authentication


if __name__ == "__main__":
    FlowRunExecutorContext.__aenter__ = _fail_once  # type: ignore[method-assign, assignment] # once
    asyncio.run(GpuProcessWorker(work_pool_name=sys.argv[1], name="left").start())
