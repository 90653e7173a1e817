"""A new model's folder, there whole or not at all."""

import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from deployments.new.inference import Sheet
from infra.errors import ConfigError
from infra.store import disk_error
from tasks.spec import load_spec, require_name


def hold_name(name: str, models: Path) -> Path:
    """The folder of a model that may be written.

    Raises:
        ConfigError: the name breaks the rules, is taken, or the folder is there already.
    """
    require_name(name)
    own = Path(__file__).parents[1]  # the models that come with Perennial may be begun elsewhere
    if (own / f"{name}.py").exists() or _is_code(own / name):
        raise ConfigError(f"{name!r} names a part of Perennial.", hint="Choose another name.")
    folder = models / name
    if folder.exists():
        raise ConfigError(
            f"{folder} is there already and was not touched.",
            hint="Choose another name, or delete the folder first.",
        )
    return folder


def _is_code(folder: Path) -> bool:
    return folder.is_dir() and not (folder / "model.yaml").exists()


def write_folder(folder: Path, texts: dict[str, str], sheet: Sheet) -> tuple[str, ...]:
    """The files of a new folder, by their paths in it; its declaration has been read back.

    Raises:
        ConfigError: the place cannot be written to.
        ResourceError: the disk is full.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new_") as workshop:
            half = Path(workshop) / folder.name
            for path, text in texts.items():
                (half / path).parent.mkdir(parents=True, exist_ok=True)
                (half / path).write_text(text, encoding="utf-8")
            (half / "data").mkdir()
            pq.write_table(sheet.table, half / "data" / "rows.parquet", compression="zstd")
            load_spec(folder.name, half.parent)
            shutil.move(half, folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    return tuple(sorted([*texts, "data/rows.parquet"]))
