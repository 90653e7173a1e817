"""A model that is small enough to be trained in a second: a feed of months that drifts in March.

Until February a row's label follows ``x`` and ``z``. From March on ``x`` lies where it never lay
before and works the other way round: a model that learned from January and February still beats
the baseline by ``z``, one that has seen March beats that model for certain.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from tests.support.stack import surroundings

MONTHS = tuple(f"2024-{month:02}" for month in range(1, 7))
DRIFTED = "2024-03"
"""From here on the world is another one."""

ROWS = 600
"""Of each month."""

_FEATURES = '''"""Features of a ride, known when it begins; its label is known an hour later."""

import pandas as pd


def build(tables: dict[str, pd.DataFrame], window: str) -> pd.DataFrame:
    """One row for each ride of a month."""
    rides = tables["rides"].sort_values("ride", ignore_index=True)
    frame = rides[["ride", "x", "z", "place", "won"]].copy()
    frame["place"] = frame["place"].astype("object")
    frame["event_time"] = rides["at"]
    frame["prediction_time"] = rides["at"]
    frame["label_time"] = rides["at"] + pd.Timedelta(hours=1)
    return frame
'''

_TRAINER = '''"""How the model is made; it waits while a file that its parameters name is there."""

import time
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from tasks.training.estimators import hist_gradient_boosting


def build(parameters: dict[str, object], categorical: list[str], seed: int) -> Pipeline:
    """An unfitted classifier."""
    gate = parameters.pop("wait_while", None)
    while gate and Path(str(gate)).exists():
        Path(f"{gate}.reached").touch()
        time.sleep(0.05)
    return hist_gradient_boosting("binary", parameters, categorical, seed)
'''

_SUITE = {
    "name": "rides",
    "expectations": [
        {
            "type": "expect_column_median_to_be_between",
            "kwargs": {"column": "z", "min_value": -5, "max_value": 5},
            "meta": {"on_failure": "hold", "says": "the median of z lies between -5 and 5"},
        }
    ],
}


@dataclass(frozen=True)
class Declared:
    """A model that is deployed, and the environment in which it is."""

    name: str
    folder: Path
    environment: dict[str, str]

    def entered(self) -> AbstractContextManager[None]:
        """This process uses the stack and the folder of models that declares it."""
        return surroundings(self.environment)


def write_model(models: Path, name: str, **sections: Mapping[str, object] | list[object]) -> Path:
    """The folder of a model that deploys and trains as it stands.

    Args:
        models: the folder of models.
        name: of the model.
        sections: what is declared otherwise, section to fields, or the whole of a list.
    """
    folder = models / name
    (folder / "data").mkdir(parents=True)
    (folder / "expectations").mkdir()
    (folder / "features.py").write_text(_FEATURES, encoding="utf-8")
    (folder / "trainer.py").write_text(_TRAINER, encoding="utf-8")
    (folder / "expectations" / "rides.json").write_text(json.dumps(_SUITE, indent=2))
    pd.concat([rides(month) for month in MONTHS], ignore_index=True).to_parquet(
        folder / "data" / "rides.parquet"
    )
    declared = _declaration(name)
    for section, fields in sections.items():
        known = declared.get(section, {})
        declared[section] = {**known, **fields} if isinstance(fields, Mapping) else fields
    YAML().dump(declared, folder / "model.yaml")
    return folder


def rides(month: str) -> pd.DataFrame:
    """The rows of a month, the same each time."""
    draw = np.random.default_rng(int(month.replace("-", "")))
    start = pd.Timestamp(f"{month}-01", tz="UTC")
    x, z = draw.normal(0, 1, ROWS), draw.normal(0, 1, ROWS)
    after = month >= DRIFTED
    chance = 1 / (1 + np.exp(-(2 * z + (-4 if after else 1) * x)))
    return pd.DataFrame(
        {
            "ride": int(month.replace("-", "")) * 10_000 + np.arange(ROWS),
            "at": (start + pd.to_timedelta(np.arange(ROWS), unit="h")).as_unit("us"),
            "x": x + (8 if after else 0),
            "z": z,
            "place": draw.choice(["hill", "dale"], ROWS),
            "won": (draw.random(ROWS) < chance).astype("int64"),
        }
    )


def delivery(folder: Path, month: str, shift: float = 0.0) -> str:
    """Path of a month's rows as a file of their own, ``z`` moved: by more than 5 it is held."""
    frame = rides(month)
    path = folder / f"rides-{month}-{shift:g}.parquet"
    frame.assign(z=frame["z"] + shift).to_parquet(path)
    return str(path)


def unfit_delivery(folder: Path, month: str) -> str:
    """Path of a month's rows without a declared column: no row of it can be saved."""
    path = folder / f"rides-{month}-without-x.parquet"
    rides(month).drop(columns="x").to_parquet(path)
    return str(path)


def _declaration(name: str) -> dict[str, Any]:
    columns = dict.fromkeys(("ride", "won"), "int") | dict.fromkeys(("x", "z"), "float")
    columns |= {"at": "timestamp", "place": "string"}
    table = {
        "path": "data/rides.parquet",
        "key": ["ride"],
        "calendar": ["at"],
        "columns": columns,
    }
    return {
        "name": name,
        "title": "Will this ride be won?",
        "owner": "tests",
        "data": {
            "grain": "month",
            "label": {"name": "won", "kind": "binary"},
            "tables": {"rides": table},
        },
        "features": {"key": ["ride"], "columns": ["x", "z", "place"], "categorical": ["place"]},
        "training": {"parameters": {"max_iter": 30, "min_samples_leaf": 10}, "min_windows": 2},
        "evaluation": {"metric": "roc_auc"},
        "gates": {"rounds": 200},
        "approval": {"causes": ["drift"], "author_may_approve": True},  # there is no git
        "triggers": {"application": [{"paths": ["tasks/packaging"], "then": "repackage"}]},
        "serving": {"smoke_rows": 10},
        "monitoring": {"report_rows": 100},
    }
