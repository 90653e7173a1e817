"""A trace under a policy, on a virtual clock."""

import time
from dataclasses import asdict, dataclass
from statistics import fmean, quantiles

import simpy

from deployments.bench.scheduling.policies import Machine, Policy, Start, machines
from deployments.bench.scheduling.trace import Job

_HOUR_S = 3600.0


@dataclass(frozen=True)
class Figures:
    """What a policy made of a trace.

    `stranded_h` counts the GPU hours that stood idle while runs waited,
    `double_booked` the GPU hours in which a device was held by two runs that had not agreed to
    share it, `grant_ms` the time that one look for runs took on this machine.
    """

    makespan_h: float
    wait_mean_min: float
    wait_p95_min: float
    stranded_h: float
    double_booked_h: float
    grant_p50_ms: float
    grant_p99_ms: float

    def document(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


class Simulation:
    """One policy living through one trace."""

    def __init__(self, jobs: list[Job], gpus: int, policy: Policy) -> None:
        self._clock = simpy.Environment()
        self._cluster = machines(gpus)
        self._policy = policy
        self._jobs = jobs
        self._gpus = gpus
        self._waiting: list[Job] = []
        self._waits: list[float] = []
        self._looks: list[float] = []
        self._idle = self._double = self._last = 0.0

    def figures(self) -> Figures:
        """What became of it, once every run has ended."""
        self._clock.process(self._arrivals())
        self._clock.run()
        waits = quantiles([each / 60 for each in self._waits], n=20)
        looks = quantiles([each * 1000 for each in self._looks], n=100)
        return Figures(
            makespan_h=round(self._clock.now / _HOUR_S, 2),
            wait_mean_min=round(fmean(self._waits) / 60, 1),
            wait_p95_min=round(waits[18], 1),
            stranded_h=round(self._idle / _HOUR_S, 1),
            double_booked_h=round(self._double / _HOUR_S, 1),
            grant_p50_ms=round(looks[49], 2),
            grant_p99_ms=round(looks[98], 2),
        )

    def _arrivals(self) -> simpy.events.ProcessGenerator:
        for job in self._jobs:
            yield self._clock.timeout(job.arrives_s - self._clock.now)
            self._account()
            self._waiting.append(job)
            self._look(self._cluster)

    def _running(self, job: Job, machine: Machine) -> simpy.events.ProcessGenerator:
        yield self._clock.timeout(job.runtime_s)
        self._account()
        del machine.running[job]
        self._look([machine])

    def _look(self, where: list[Machine]) -> None:
        if not self._waiting:
            return
        began = time.perf_counter()
        starts: list[Start] = self._policy(self._waiting, where, self._clock.now)
        self._looks.append(time.perf_counter() - began)
        for job, machine, _ in starts:
            self._waiting.remove(job)
            self._waits.append(self._clock.now - job.arrives_s)
            self._clock.process(self._running(job, machine))

    def _account(self) -> None:
        """Count the time since the last event: what stood idle, what was held twice."""
        passed, self._last = self._clock.now - self._last, self._clock.now
        held: dict[str, list[bool]] = {}
        for machine in self._cluster:
            for grant in machine.grants:
                for holding in grant.holdings:
                    held.setdefault(holding.uuid, []).append(holding.alone)
        if self._waiting:
            self._idle += passed * (self._gpus - len(held))
        self._double += passed * sum(len(each) > 1 and any(each) for each in held.values())
