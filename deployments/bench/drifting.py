"""Drift of a million rows and more: our sketches beside Evidently's report, from Parquet files."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from infra.errors import BackendError
from infra.settings import PROJECT

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from tasks.monitoring.sketches.columns import Distances

Say = Callable[[str], None]

ROWS: Final = 1_000_000
NUMERIC: Final = tuple(f"number_{place}" for place in range(15))
CATEGORICAL: Final = tuple(f"name_{place}" for place in range(5))

_BATCH_ROWS: Final = 131_072
_FILES: Final = ("reference.parquet", "current.parquet", "profile")
_MEBI: Final = 2**20


class Compared(BaseModel):
    """What one comparison took, imports left out.

    Attributes:
        rows: of the current data, in millions.
        wall_s: seconds.
        cpu_s: seconds of the process, user and system.
        peak_bytes: most memory of the process, imports included.
    """

    rows: int
    wall_s: float
    cpu_s: float
    peak_bytes: int


class Drifts(BaseModel):
    """Comparisons of twenty columns: ours with the profile stored, and Evidently's.

    Attributes:
        evidently: DataDriftPreset on a million rows.
        ours: the same million rows, once more for each round.
        larger: more rows of ours.
        profile: drawing the profile of a million rows, once in a model's life.
        ks_error: largest difference to SciPy over the columns.
        wasserstein_error: likewise, in standard deviations of the reference.
    """

    evidently: Compared
    ours: list[Compared]
    larger: list[Compared]
    profile: Compared
    ks_error: float
    wasserstein_error: float

    @property
    def median(self) -> Compared:
        """Ours on a million rows, the one that took the median of CPU."""
        return sorted(self.ours, key=lambda each: each.cpu_s)[len(self.ours) // 2]

    @property
    def ratio(self) -> float:
        """How many times our CPU Evidently takes."""
        return self.evidently.cpu_s / self.median.cpu_s


def measure_drift(folder: Path, millions: tuple[int, ...], say: Say) -> Drifts:
    """Both sides on the same files, each in a process of its own.

    Args:
        folder: where the files go.
        millions: of rows; our side alone is asked for more than one.
        say: told of each comparison.

    Raises:
        BackendError: a comparison failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _asked("write", folder)
    profile = Compared.model_validate(_asked("profile", folder))
    ours = [Compared.model_validate(_asked("ours", folder)) for _ in range(5)]
    say(f"drift of a million rows, ours: {ours[-1].cpu_s:.2f} s of CPU")
    larger = []
    for each in millions:
        larger.append(Compared.model_validate(_asked("ours", folder, each)))
        say(f"drift of {each} million rows, ours: {larger[-1].cpu_s:.1f} s of CPU")
    evidently = Compared.model_validate(_asked("evidently", folder))
    say(f"drift of a million rows, Evidently: {evidently.cpu_s:.1f} s of CPU")
    errors = _asked("errors", folder)
    return Drifts(evidently=evidently, ours=ours, larger=larger, profile=profile, **errors)


def _asked(what: str, folder: Path, millions: int = 1) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "deployments.bench.drifting"]
    done = subprocess.run(
        [*command, what, str(folder), str(millions)],
        cwd=PROJECT,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise BackendError(f"The comparison {what} failed: {done.stderr[-600:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _write(folder: Path, _: int) -> dict[str, float]:
    """A million rows of many shapes, twice; the second time a little moved."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    for seed, name in enumerate(_FILES[:2]):
        draws = np.random.default_rng(seed)
        columns: dict[str, object] = {}
        for place, column in enumerate(NUMERIC):
            values = _shape(place, draws) * (1 + 0.02 * seed)
            values[draws.random(ROWS) < 0.02 * (place % 3)] = np.nan
            columns[column] = pa.array(values, from_pandas=True)
        for place, column in enumerate(CATEGORICAL):
            names = [f"name {each}" for each in range(5 * (place + 1) ** 2 + seed)]
            codes = draws.integers(0, len(names), ROWS).astype(np.int32)
            columns[column] = pa.DictionaryArray.from_arrays(codes, names).cast(pa.string())
        pq.write_table(pa.table(columns), folder / name)
    return {}


def _shape(
    place: int, draws: "np.random.Generator"
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    import numpy as np

    shapes: tuple[Callable[[], np.ndarray[tuple[int], np.dtype[np.float64]]], ...] = (
        lambda: draws.normal(20, 8, ROWS),
        lambda: draws.lognormal(0, 2, ROWS),
        lambda: draws.standard_t(2, ROWS),
        lambda: draws.integers(0, 1440, ROWS).astype(np.float64),
        lambda: draws.gamma(2, 2, ROWS).round(1),
    )
    return shapes[place % len(shapes)]()


def _batches(path: Path, times: int = 1) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    for _ in range(times):  # as the store reads the files of a table, one after the other
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS, use_threads=False)


def _profile(folder: Path, _: int) -> dict[str, float]:
    from tasks.monitoring.sketches.profiles import draw_profile
    from tasks.monitoring.sketches.storing import dump_profile

    def work() -> None:
        columns = [*NUMERIC, *CATEGORICAL]
        drawn, _ = draw_profile(lambda: _batches(folder / _FILES[0]), columns, CATEGORICAL, 1)
        (folder / _FILES[2]).write_bytes(dump_profile(drawn))

    return _measured(work)


def _ours(folder: Path, millions: int) -> dict[str, float]:
    import pandas as pd  # noqa: F401 - pyarrow imports it; imports are left out on either side
    import pyarrow.parquet  # noqa: F401 - likewise

    import tasks.monitoring.sketches.storing  # noqa: F401 - likewise

    return _measured(lambda: _distances(folder, millions), millions)


def _distances(folder: Path, millions: int) -> "Mapping[str, Distances]":
    from tasks.monitoring.sketches.storing import load_profile

    profile = load_profile((folder / _FILES[2]).read_bytes())
    sketch = profile.sketch(_batches(folder / _FILES[1], millions))
    return {
        name: column.distances(sketch.columns[name])  # type: ignore[arg-type]  # of a kind
        for name, column in profile.columns.items()
    }


def _evidently(folder: Path, _: int) -> dict[str, float]:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    def work() -> None:
        definition = DataDefinition(
            numerical_columns=list(NUMERIC), categorical_columns=list(CATEGORICAL)
        )
        reference, current = (
            Dataset.from_pandas(pd.read_parquet(folder / name), data_definition=definition)
            for name in _FILES[:2]
        )
        Report([DataDriftPreset()]).run(current, reference).dict()

    return _measured(work)


def _errors(folder: Path, _: int) -> dict[str, float]:
    import pandas as pd
    from scipy import stats

    found = _distances(folder, 1)
    ks, area = [], []
    for name in NUMERIC:
        one, other = (
            pd.read_parquet(folder / each, columns=[name])[name].dropna().to_numpy()
            for each in _FILES[:2]
        )
        exact = stats.ks_2samp(one, other, method="asymp").statistic
        ks.append(abs(exact - (found[name].ks or 0.0)))
        far = stats.wasserstein_distance(one, other)
        area.append(abs(far - (found[name].wasserstein or 0.0)) / one.std())
    return {"ks_error": float(max(ks)), "wasserstein_error": float(max(area))}


def _measured(work: Callable[[], object], millions: int = 1) -> dict[str, float]:
    import resource

    wall, cpu = time.perf_counter(), time.process_time()
    work()
    taken = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"rows": millions, "peak_bytes": peak, **taken}


_SIDES: Final[Mapping[str, Callable[[Path, int], dict[str, float]]]] = {
    "write": _write,
    "profile": _profile,
    "ours": _ours,
    "evidently": _evidently,
    "errors": _errors,
}


if __name__ == "__main__":
    print(json.dumps(_SIDES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201 - what the asking process reads
