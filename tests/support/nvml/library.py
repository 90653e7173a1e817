"""The simulated driver's library: built by the system's compiler, found by the real bindings."""

import shutil
import subprocess
from collections.abc import Collection
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("simulated.c")
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
    found = compiler()
    assert found is not None, "no C compiler: skip what needs one"
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / "hidden.map"
    hidden.write_text(f"{{ global: nvml*; local: {''.join(f'{name}; ' for name in without)}*; }};")
    subprocess.run(
        [
            *(found, *_FLAGS, f"-Wl,-soname,{_NAME}", f"-Wl,--version-script={hidden}"),
            *("-o", str(folder / _NAME), str(_SOURCE)),
        ],
        check=True,
    )
    return folder
