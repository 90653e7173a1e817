"""The benchmark's own arithmetic: CPU of what has ended, ratios, and the same estimator."""

import os
import subprocess
import sys

import numpy as np
import pytest

from deployments.bench.drifting import Compared, Drifts
from deployments.bench.measuring import Starts, Training, Used
from deployments.bench.script import trainer, weighted_auc
from deployments.bench.usage import Peak, reaped_s, tree_s
from infra.plugins import resolve
from infra.settings import PROJECT
from tasks.metrics import roc_auc
from tasks.spec import load_spec

_BURN_S = 0.3
_BURN = f"import time\nwhile time.process_time() < {_BURN_S}: pass"
_HOLD = "import time; held = b'x' * 2**27; time.sleep(2)"


def used(wall_s: float, cpu_s: float) -> Used:
    """What one side took."""
    return Used(wall_s=wall_s, cpu_s=cpu_s, servers_cpu_s=1.0, peak_bytes=2**20, stages={})


_LOST_S = 2 / os.sysconf("SC_CLK_TCK")
"""More cannot go missing: the kernel tells the times of ended children, user and system, in whole
ticks, so that the difference of two readings of each is less than a tick too small. Every other
time in the sum only grows.
"""


def test_cpu_of_a_child_that_has_ended_is_counted() -> None:
    """A run's process is gone when it is asked what it used."""
    reaped, tree = reaped_s(os.getpid()), tree_s(os.getpid())

    subprocess.run([sys.executable, "-c", _BURN], check=True)

    assert reaped_s(os.getpid()) - reaped > _BURN_S - _LOST_S
    assert tree_s(os.getpid()) - tree > _BURN_S - _LOST_S


def test_the_peak_is_that_of_the_processes_below() -> None:
    """128 MiB that a process holds for two seconds are seen."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD])

    with Peak([process.pid]) as peak:
        process.wait()

    assert 2**27 <= peak.most_bytes < 2**28


def test_a_start_is_compared_by_medians() -> None:
    """One start beside a busy neighbour does not decide."""
    starts = Starts(ours=[2.2, 2.2, 9.0], empty=[2.0, 2.0, 2.0])

    assert starts.ratio == pytest.approx(1.1)


def test_rounds_are_compared_by_their_sums() -> None:
    """A ratio of trainings is all of ours over all of the script's, servers apart or included."""
    training = Training(ours=[used(30, 20), used(50, 20)], script=[used(20, 15), used(20, 15)])

    assert training.ratio("wall_s") == pytest.approx(2.0)
    assert training.ratio("cpu_s") == pytest.approx(4 / 3)
    assert training.ratio("all_cpu_s") == pytest.approx(42 / 32)


def test_the_script_fits_the_estimator_that_the_model_declares() -> None:
    """Another estimator would make the comparison one of estimators."""
    spec = load_spec("flights", PROJECT / "deployments")
    plain = spec.model_dump(mode="json")
    build = resolve(PROJECT / "deployments" / "flights", spec.training.trainer)

    for candidate in spec.training.candidates:
        parameters = {**spec.training.parameters, **candidate}
        ours = build(parameters, list(spec.features.categorical), spec.training.seed)
        script = trainer(plain, candidate)

        assert repr(script.get_params()) == repr(ours.get_params())


def test_the_script_weighs_rows_as_repeating_them_does() -> None:
    """The bootstrap of the script draws rows by weights."""
    draws = np.random.default_rng(1)
    scores, labels = np.sort(draws.random(200)), (draws.random(200) < 0.3).astype(float)
    weights = draws.integers(0, 3, 200)
    spread = np.repeat(scores, weights)

    found = weighted_auc(labels, weights)

    # Rows of one score and both labels do not occur: a repeated row is tied with itself only.
    assert found == pytest.approx(roc_auc(np.repeat(labels, weights), spread))


def test_drift_is_compared_by_the_median_of_ours() -> None:
    """One slow comparison beside a busy neighbour does not decide."""
    taken = [Compared(rows=1, wall_s=0, cpu_s=cpu, peak_bytes=0) for cpu in (0.3, 9.0, 0.2)]
    evidently = taken[0].model_copy(update={"cpu_s": 45.0})

    drifts = Drifts(
        evidently=evidently,
        ours=taken,
        larger=[],
        profile=taken[0],
        ks_error=0,
        wasserstein_error=0,
    )

    assert drifts.ratio == pytest.approx(150)
