"""The service of the plain script's Bento, as BentoML's own guide writes one."""

from pathlib import Path
from typing import Any

import bentoml
import pandas as pd
import skops.io

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
