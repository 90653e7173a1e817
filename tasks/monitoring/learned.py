"""What is on record of what a version learned from: all that monitoring knows of its training."""

import hashlib
import io
from dataclasses import dataclass
from typing import Final

import pandas as pd

from infra.errors import IntegrityError
from infra.store import get_bytes
from tasks.monitoring.sketches.profiles import Profile
from tasks.monitoring.sketches.storing import load_profile
from tasks.references import Profiled

FEATURES: Final = "features.profile"
TARGET: Final = "target.profile"
PREDICTIONS: Final = "predictions.profile"
SAMPLE: Final = "sample.parquet"
"""The files of a `Profiled`."""

PREDICTION: Final = "prediction"
"""The column of predictions, on the holdout and in the table of predictions alike."""


@dataclass(frozen=True)
class Learned:
    """The profiles of a version.

    Attributes:
        features: of the training rows.
        target: likewise, its one column the label.
        predictions: of the holdout.
        sample: features of some training rows, for the report that people open.
    """

    features: Profile
    target: Profile
    predictions: Profile
    sample: pd.DataFrame


def learned(profiled: Profiled) -> Learned:
    """The profiles that a reference names.

    Raises:
        DataError: a file is gone.
        IntegrityError: a file is not the one that was recorded.
    """
    files = {name: _checked(profiled, name) for name in (FEATURES, TARGET, PREDICTIONS, SAMPLE)}
    return Learned(
        features=load_profile(files[FEATURES]),
        target=load_profile(files[TARGET]),
        predictions=load_profile(files[PREDICTIONS]),
        sample=pd.read_parquet(io.BytesIO(files[SAMPLE])),
    )


def _checked(profiled: Profiled, name: str) -> bytes:
    data = get_bytes(profiled.uris[name])
    found, recorded = hashlib.sha256(data).hexdigest(), profiled.digests[name]
    if found != recorded:
        raise IntegrityError(
            f"{profiled.uris[name]} has digest {found[:12]}, but {recorded[:12]} was recorded."
        )
    return data
