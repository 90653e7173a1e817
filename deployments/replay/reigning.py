"""Who was in charge of a window, so that what is shown of it is something that was foretold."""

from collections.abc import Sequence

import pandas as pd

from tasks.frames import PREDICTION_TIME
from tasks.packaging.scored import by_champion
from tasks.references import Champion


def nobody_for(window: str, times: pd.DataFrame, reigns: Sequence[Champion]) -> str:
    """Why a window shows nothing of those in charge; empty where it does.

    A window that was over before the first of them took charge was predicted by nobody. One that
    its predictor was made of, as training or holdout, would be told what was learned.

    Args:
        window: its name.
        times: of the predictions of its rows.
        reigns: who was in charge, oldest first.
    """
    first = reigns[0]
    if not (times[PREDICTION_TIME] > pd.Timestamp(first.since)).any():
        return (
            f"Nobody was in charge: version {first.version} took charge as of {first.since:%F}, "
            f"and {window} was to be predicted before."
        )
    for champion, _ in by_champion(times, reigns):
        split = champion.candidate.fitted.split
        if window in {*split.train, *split.holdout}:
            return (
                f"Nobody was in charge of all of {window}: version {champion.version}, which would "
                f"predict the rows from before version {first.version}, was made of them."
            )
    return ""
