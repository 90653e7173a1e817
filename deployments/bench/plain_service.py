"""The service of the plain script's Bento, as BentoML's own guide writes one."""

import sys
from pathlib import Path
from typing import Any

import bentoml
import pandas as pd
import scipy.stats  # noqa: F401 - while it is imported it takes a hidden torch for a real one

# A script's own environment would not have torch, which scikit-learn's walk over its modules
# imports where it is installed: 1.6 s that we do not pay either.
sys.modules["torch"] = None  # type: ignore[assignment] # None is what hides a name
sys.modules["dask.array"] = None  # type: ignore[assignment]
import skops.io  # noqa: E402 - see above

del sys.modules["torch"], sys.modules["dask.array"]

HERE = Path(__file__).resolve().parent


@bentoml.service(name="flights-plain", workers=1)
class Flights:
    """Chances of disruption."""

    def __init__(self) -> None:
        file = HERE / "model.skops"
        self.model = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))

    @bentoml.api  # type: ignore[untyped-decorator] # BentoML ships no types
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """The chance of each row."""
        columns = list(self.model.feature_names_in_)
        frame = pd.DataFrame(rows, columns=columns)
        kinds = {name: "float64" for name in columns if name not in {"carrier", "origin", "dest"}}
        return [float(chance) for chance in self.model.predict_proba(frame.astype(kinds))[:, 1]]
