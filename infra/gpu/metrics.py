"""What leases use, for Prometheus: an endpoint of the worker, on loopback."""

import logging
from collections.abc import Iterator
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from infra.gpu.courses import Course, Look
from infra.gpu.usage import Meter

_BY: Final = ("device", "run")
_HOST: Final = "127.0.0.1"
_log = logging.getLogger("prefect.worker.gpu")


class LeaseMetrics(Collector):
    """The series of the leases that a worker has now; a run's series end with its lease."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """Every family, with a sample for each device of each lease."""
        busy = GaugeMetricFamily(
            "perennial_gpu_utilisation_percent", "Of a leased device, by all on it.", labels=_BY
        )
        memory = GaugeMetricFamily(
            "perennial_gpu_memory_bytes", "Of a device, held by the run.", labels=_BY
        )
        peak = GaugeMetricFamily(
            "perennial_gpu_memory_peak_bytes", "The most of it until now.", labels=_BY
        )
        energy = CounterMetricFamily(
            "perennial_gpu_energy_joules", "By the leased part of a device.", labels=_BY
        )
        idle = CounterMetricFamily("perennial_gpu_idle_seconds", "Held and idle.", labels=_BY)
        held = CounterMetricFamily("perennial_gpu_held_seconds", "Held by the run.", labels=_BY)
        for where, course, look in self._there():
            for family, value in (
                (busy, look.busy_percent),
                (memory, look.memory_bytes),
                (peak, course.memory_bytes),
                (energy, course.energy_j),
                (idle, course.idle_s),
                (held, course.seconds),
            ):
                if value is not None:
                    family.add_metric(where, value)
        yield from (busy, memory, peak, energy, idle, held)

    def _there(self) -> Iterator[tuple[tuple[str, str], Course, Look]]:
        for each in self._meter.metered.values():
            for uuid, look in each.looks.items():
                yield (uuid, str(each.lease.run)), each.courses[uuid], look


class Endpoint:
    """What a worker offers to Prometheus from its start to its end."""

    def __init__(self, meter: Meter, port: int | None) -> None:
        """Offer the series of a worker's leases.

        They are in the registry of the process, and so on every endpoint that it has. Prefect's
        own (``PREFECT_CLIENT_METRICS_ENABLED``) is none for a worker: its children want the same
        port and do not start.

        Args:
            meter: what the leases use.
            port: where to listen, on loopback; None for nowhere.
        """
        self._metrics = LeaseMetrics(meter)
        REGISTRY.register(self._metrics)
        self._server: WSGIServer | None = None
        if port is not None:
            try:
                self._server, _ = start_http_server(port, addr=_HOST)
            except OSError as error:
                _log.warning("No metrics: port %d of %s cannot be had: %s.", port, _HOST, error)

    def close(self) -> None:
        """The worker has ended: its series are offered no longer."""
        REGISTRY.unregister(self._metrics)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
