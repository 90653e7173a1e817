"""Predicting a window with the champion of the time, and finding what was predicted."""

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime

from infra.errors import DataError
from infra.ledger import Kind, Ledger
from infra.models import load_model
from infra.steps import step
from infra.store import content_digest, digest_of, get_bytes, listed, put_bytes, uri, write_window
from tasks.data.spec import DataSpec, LabelSpec
from tasks.references import Champion, FeatureTable, Predictions, Reference
from tasks.windows import WindowName, ends_at, require_begun, require_grain

if TYPE_CHECKING:
    import pandas as pd


class Scored(Reference):
    """The predictions of a window, and the time as of which they were made."""

    as_of: AwareDatetime
    predictions: Predictions


@step
def predict(
    champion: Champion,
    table: FeatureTable,
    window: str,
    as_of: datetime,
    label: LabelSpec,
    before: tuple[Champion, ...] = (),
) -> Predictions:
    """A prediction of every row of a window, by the champion of the row's own prediction time.

    What another champion predicted of the window stays beside it. The same champion's predictions
    of the same rows are written once, with the time of the first.

    Args:
        champion: the one in charge as of the run; rows from before any other are predicted by it.
        table: the feature rows.
        window: what to predict.
        as_of: the time of the run.
        label: what is predicted.
        before: those in charge before it, oldest first. One that learned from features which the
            table does not have any more predicts nothing; its rows are the champion's.

    Raises:
        DataError: the table does not hold the window or a feature, or a prediction is not finite.
        IntegrityError: the stored model is not the champion.
    """
    from tasks.frames import feature_rows
    from tasks.packaging.scored import by_champion, in_order, signed

    frame = feature_rows(table, [window])
    able = [each for each in before if set(_features(each)) <= set(table.features)]
    parts = [
        (one.version, _predicted(one, rows, table.key, label))
        for one, rows in by_champion(frame, (*able, champion))
    ]
    rows = in_order(parts)
    digest = content_digest(rows, table.key)
    place = uri(champion.model, "predictions")
    version = write_window(place, signed(rows, as_of), window, digest, beside=True)
    predictions = Predictions(
        uri=place,
        version=version,
        window=window,
        rows=len(rows),
        model=champion.model,
        model_version=parts[-1][0],
        digest=digest,
    )
    return _remembered(Scored(as_of=as_of, predictions=predictions))


def _features(champion: Champion) -> tuple[str, ...]:
    return champion.candidate.fitted.split.table.features


def _predicted(
    champion: Champion, rows: "pd.DataFrame", key: tuple[str, ...], label: LabelSpec
) -> "pd.DataFrame":
    from tasks.packaging.scored import predicted_rows

    fitted = champion.candidate.fitted
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    return predicted_rows(model, rows, key, _features(champion), label.kind)


@step(moving=True)
def find_predictions(
    champion: Champion, window: str, as_of: datetime, data: DataSpec
) -> Predictions:
    """What was predicted of a window, most recently as of a time.

    Where nothing was, that is an answer too, of no rows: somebody was in charge and silent.

    Args:
        champion: the one in charge as of the run.
        window: its name.
        as_of: the time of looking.
        data: the feed, whose windows have a length and a time zone.

    Raises:
        ConfigError: the window has not begun, or is of another length than the feed's.
        DataError: nothing was predicted, and nobody was in charge before the window was over.
    """
    known = _known(champion.model, window, as_of)
    if known:
        newest = max(known, key=lambda scored: (scored.as_of, scored.predictions.model_version))
        return newest.predictions
    require_grain(window, data.grain)
    require_begun(window, as_of, data.timezone)
    _require_reign(champion, window, data.timezone)
    return Predictions(
        uri=uri(champion.model, "predictions"),
        version=0,
        window=window,
        rows=0,
        model=champion.model,
        model_version=champion.version,
        digest=digest_of("nothing", champion.model, window),
    )


@step(moving=True)
def scored_among(
    model: str, windows: tuple[WindowName, ...], as_of: datetime
) -> tuple[WindowName, ...]:
    """Those of some windows of which something was predicted as of a time."""
    return tuple(each for each in windows if _known(model, each, as_of))


def _known(model: str, window: str, as_of: datetime) -> list[Scored]:
    places = listed(uri(model, "scored", window))
    found = [Scored.model_validate_json(get_bytes(place)) for place in places]
    return [scored for scored in found if scored.as_of <= as_of]


def _require_reign(champion: Champion, window: str, timezone: str) -> None:
    """Nothing, where a version was in charge before a window was over."""
    end = ends_at(window, timezone)
    if end is None or champion.since < end:
        return
    first = Ledger().entries(champion.model, Kind.PROMOTION)
    began = min((each.as_of for each in first), default=champion.since)
    if began >= end:
        raise DataError(
            f"Nothing was predicted of {window}, and no version of {champion.model} was in charge "
            f"before {began:%Y-%m-%d %H:%M %Z}: nothing is missing.",
            hint=f"Run `score/{champion.model}` for that window first.",
        )


def _remembered(scored: Scored) -> Predictions:
    """What is on record of these predictions: the first time they were made stands."""
    made = scored.predictions
    place = uri(made.model, "scored", made.window, f"{made.digest}.json")
    if place in listed(uri(made.model, "scored", made.window)):
        earlier = Scored.model_validate_json(get_bytes(place))
        if earlier.as_of <= scored.as_of:
            return earlier.predictions
    put_bytes(place, scored.model_dump_json(indent=2).encode())
    return made
