"""The simulated driver's library: built by the system's compiler, found by the real bindings."""

import shutil
import subprocess
from collections.abc import Collection
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("simulated.c")
CUDA = Path(__file__).parent.with_name("cuda") / "simulated.c"
"""A CUDA library without a GPU."""

SIGHT = CUDA.with_name("visible.c")
"""A CUDA library that shows a process what its environment lets it see of the simulated GPUs."""

_NAME = "libnvidia-ml.so.1"
_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")


@cache
def compiler() -> str | None:
    """The system's C compiler, None where there is none."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def built(folder: Path, without: Collection[str] = ()) -> Path:
    """The folder that holds the library, as ``LD_LIBRARY_PATH`` wants it.

    Args:
        folder: where it is built; it is made.
        without: functions that the library lacks, as an old driver's does.
    """
    return compiled(_SOURCE, folder, _NAME, "nvml*", without)


def compiled(
    source: Path, folder: Path, name: str, shown: str, without: Collection[str] = ()
) -> Path:
    """A folder with a shared library of one source.

    Args:
        source: in C.
        folder: where it is built; it is made.
        name: of the library, as a program asks for it.
        shown: the functions that a program sees, as a pattern.
        without: those of them that it does not see all the same.
    """
    found = compiler()
    assert found is not None, "no C compiler: skip what needs one"
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / "hidden.map"
    hidden.write_text(
        f"{{ global: {shown}; local: {''.join(f'{each}; ' for each in without)}*; }};"
    )
    subprocess.run(
        [
            *(found, *_FLAGS, f"-Wl,-soname,{name}", f"-Wl,--version-script={hidden}"),
            *("-o", str(folder / name), str(source)),
        ],
        check=True,
    )
    return folder
