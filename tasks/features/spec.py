"""The ``features`` section: what the model sees."""

from pydantic import Field

from tasks.sections import ImportString, Section


class FeatureSpec(Section):
    """How features come from tables.

    The builder is ``build(tables, window)``: frames of the window and of `lookback` windows before
    it go in; one row for each entity of the window comes out, with the columns of `key`,
    ``event_time``, ``prediction_time``, ``label_time`` (all UTC), the label, and the features.
    """

    builder: ImportString = "features:build"
    key: tuple[str, ...] = Field(min_length=1, description="Columns that name a prediction.")
    columns: tuple[str, ...] = Field(min_length=1, description="The features, in order.")
    categorical: tuple[str, ...] = ()
    lookback: int = Field(0, ge=0, description="How many windows before its own the builder reads.")
