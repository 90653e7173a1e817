"""Predicting a window with the champion of the time, and finding what was predicted."""

from datetime import datetime

from pydantic import AwareDatetime

from infra.errors import DataError
from infra.models import load_model
from infra.steps import step
from infra.store import content_digest, get_bytes, listed, put_bytes, uri, write_window
from tasks.data.spec import LabelSpec
from tasks.references import Champion, FeatureTable, Predictions, Reference


class Scored(Reference):
    """The predictions of a window, and the time as of which they were made."""

    as_of: AwareDatetime
    predictions: Predictions


@step
def predict(
    champion: Champion, table: FeatureTable, window: str, as_of: datetime, label: LabelSpec
) -> Predictions:
    """The champion's prediction of every row of a window, each at the row's own prediction time.

    What another version predicted of the window stays beside it. The same version's predictions
    of the same rows are written once, with the time of the first.

    Raises:
        DataError: the table does not hold the window or a feature, or a prediction is not finite.
        IntegrityError: the stored model is not the champion.
    """
    from tasks.frames import feature_rows
    from tasks.packaging.scored import predicted_rows, signed

    fitted = champion.candidate.fitted
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    frame = feature_rows(table, [window])
    rows = predicted_rows(model, frame, table.key, fitted.split.table.features, label.kind)
    digest = content_digest(rows.assign(model_version=champion.version), table.key)
    place = uri(champion.model, "predictions")
    version = write_window(
        place, signed(rows, champion.version, as_of), window, digest, beside=True
    )
    predictions = Predictions(
        uri=place,
        version=version,
        window=window,
        rows=len(rows),
        model=champion.model,
        model_version=champion.version,
        digest=digest,
    )
    return _remembered(Scored(as_of=as_of, predictions=predictions))


@step(moving=True)
def find_predictions(model: str, window: str, as_of: datetime) -> Predictions:
    """What was predicted of a window, most recently as of a time.

    Raises:
        DataError: nothing was.
    """
    places = listed(uri(model, "scored", window))
    found = [Scored.model_validate_json(get_bytes(place)) for place in places]
    known = [scored for scored in found if scored.as_of <= as_of]
    if not known:
        raise DataError(
            f"{model} has no predictions of {window} as of {as_of:%Y-%m-%d %H:%M %Z}.",
            hint=f"Run `score/{model}` for that window first.",
        )
    newest = max(known, key=lambda scored: (scored.as_of, scored.predictions.model_version))
    return newest.predictions


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
