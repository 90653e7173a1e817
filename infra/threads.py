"""How many threads the libraries of a process start: what each reads when it is loaded."""

from typing import Final

POOLS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
"""What libraries size their pools by; else each takes all cores of the machine."""


def pools_of(threads: int) -> dict[str, str]:
    """The variables of a process whose libraries start as many threads each, one or more."""
    return dict.fromkeys(POOLS, str(threads))
