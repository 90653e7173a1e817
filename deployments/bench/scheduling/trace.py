"""Made-up days of a GPU cluster: runs as they come, in the proportions that clusters report.

Source:
    Jeon et al., Analysis of Large-Scale Multi-Tenant GPU Clusters for DNN Training Workloads
    (2019), and Hu et al., Characterization and Prediction of Deep Learning Workloads in
    Large-Scale GPU Datacenters (2021): most runs take one GPU or less and end within the hour,
    few large ones take most of the GPU time, durations are heavy-tailed.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import exp, log
from random import Random
from uuid import UUID

from infra.resources import RunRequest

SIZES: dict[int | float, float] = {0.25: 0.15, 0.5: 0.10, 1: 0.47, 2: 0.12, 4: 0.10, 8: 0.06}
"""GPUs of a run, and the share of runs that ask for so many."""

_MEDIAN_S, _SPREAD, _LONGEST_S = 20 * 60.0, 1.2, 12 * 3600.0
_LIMITED = 0.8
_STEP_S = 600
_DEFAULT = timedelta(hours=24)


@dataclass(frozen=True)
class Job:
    """One run of a trace; times are seconds on the virtual clock."""

    run: UUID
    arrives_s: float
    runtime_s: float
    request: RunRequest

    @property
    def gpus(self) -> float:
        """How many devices, or which part of one."""
        return float(self.request.gpus)


def trace(jobs: int, gpus: int, load: float = 0.9, seed: int = 20260101) -> list[Job]:
    """Runs in the order in which they come.

    Args:
        jobs: how many.
        gpus: devices of the cluster that they come to.
        load: GPU seconds asked for per second, as a share of the cluster.
        seed: of everything that is random.
    """
    chance = Random(seed)  # noqa: S311 - nothing secret
    drawn = [
        (chance.choices([*SIZES], [*SIZES.values()])[0], _runtime(chance)) for _ in range(jobs)
    ]
    work = sum(size * runtime for size, runtime in drawn)
    every = work / (jobs * gpus * load)
    at, found = 0.0, []
    for size, runtime in drawn:
        at += chance.expovariate(1 / every)
        request = RunRequest(gpus=size, cpus=1, max_runtime=_limit(chance, runtime), memory=2**30)
        found.append(Job(UUID(int=chance.getrandbits(128)), at, runtime, request))
    return found


def _runtime(chance: Random) -> float:
    return min(exp(chance.gauss(log(_MEDIAN_S), _SPREAD)), _LONGEST_S)


def _limit(chance: Random, runtime: float) -> timedelta:
    """What its owner said, which is too much, in steps of ten minutes; else the pool's default."""
    factor, says = chance.uniform(1.1, 3.0), chance.random() < _LIMITED
    steps = int(runtime * factor // _STEP_S) + 1
    return timedelta(seconds=steps * _STEP_S) if says else _DEFAULT
