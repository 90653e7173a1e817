"""The rule that a model of flights has to beat: how often this route was disrupted at this hour."""

import numpy as np
import numpy.typing as npt
import pandas as pd

ROUTE_AND_HOUR = ["origin", "dest", "hour"]
WEIGHT = 40.0
"""How many flights the hour's own rate counts as, beside those of the route at that hour."""


def predict(train: pd.DataFrame, holdout: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Rate of disruption of each flight's route at its hour, drawn towards the hour's rate.

    Args:
        train: feature rows with their label.
        holdout: feature rows; their labels are not read.

    Returns:
        Probabilities, shape (n_rows,); the hour's rate for a route that is new at that hour, and
        the rate of all flights for a new hour.
    """
    past = train.assign(hour=train["sched_minute"] // 60)
    asked = holdout.assign(hour=holdout["sched_minute"] // 60)
    overall = float(past["disrupted"].mean())
    by_hour = past.groupby("hour")["disrupted"].mean()
    seen = past.groupby(ROUTE_AND_HOUR)["disrupted"].agg(["sum", "count"]).reset_index()
    usual = seen["hour"].map(by_hour)
    seen["rate"] = (seen["sum"] + WEIGHT * usual) / (seen["count"] + WEIGHT)
    rates = asked[ROUTE_AND_HOUR].merge(seen, on=ROUTE_AND_HOUR, how="left")["rate"]
    fallback = asked["hour"].map(by_hour).fillna(overall).to_numpy("float64")
    return np.where(rates.isna(), fallback, rates).astype("float64")
