"""Which windows a candidate trains on and which it is judged on: always by time."""

from infra.errors import ConfigError, DataError
from infra.store import digest_of
from tasks.references import FeaturePart, FeatureTable, Split
from tasks.training.spec import TrainingSpec
from tasks.windows import EVERYTHING

ENOUGH_LABELLED = 0.99
"""Share of a window's rows whose label must be known before it is judged on."""


def split(table: FeatureTable, training: TrainingSpec, window: str | int | None = None) -> Split:
    """Holdout: the newest labelled windows. Training: those before, as far back as declared.

    Args:
        table: the features and how many labels each window had as of its time.
        training: the declaration.
        window: in place of the declared training window: expanding, latest, or a number.

    Raises:
        ConfigError: rows with time are to be split at random, or `window` is none of these.
        DataError: too few windows have their labels.
    """
    timeless = [part.window for part in table.parts] == [EVERYTHING]
    share = training.holdout.share
    if timeless:
        if share is None:
            raise ConfigError(
                f"The rows of {table.model} carry no time, so no newest window can be held out.",
                hint="Set training.holdout.share, such as 0.2.",
            )
        return _named(table, (EVERYTHING,), (EVERYTHING,), share)
    if share is not None:
        raise ConfigError(
            f"training.holdout.share asks for a random split, but the rows of {table.model} carry "
            "time: neighbours in time would be on both sides, and the score would flatter.",
            hint="Leave the share out; training.holdout.windows counts windows.",
        )
    held_out = _labelled(table)[-training.holdout.windows :]
    before = _before(table, held_out, training)
    reach = _reach(training.window if window is None else window)
    return _named(table, before if reach is None else before[-reach:], held_out, None)


def _labelled(table: FeatureTable) -> tuple[str, ...]:
    ready = tuple(part.window for part in table.parts if _share(part) >= ENOUGH_LABELLED)
    if not ready:
        newest = table.parts[-1]
        raise DataError(
            f"No window of {table.model} had {ENOUGH_LABELLED:.0%} of its labels as of "
            f"{table.as_of:%Y-%m-%d %H:%M}; the newest, {newest.window}, had {_share(newest):.1%} "
            f"of {newest.rows:,}.",
            hint="Train later, or ingest the windows whose labels are in.",
        )
    return ready


def _share(part: FeaturePart) -> float:
    return part.labelled / part.rows if part.rows else 0.0


def _before(
    table: FeatureTable, held_out: tuple[str, ...], training: TrainingSpec
) -> tuple[str, ...]:
    # Names of windows of one grain sort by time.
    before = tuple(p.window for p in table.parts if p.window < held_out[0] and p.labelled)
    if len(before) < training.min_windows or len(held_out) < training.holdout.windows:
        raise DataError(
            f"{table.model} has {len(before)} windows to train on before {held_out[0]} and "
            f"{len(held_out)} to judge on as of {table.as_of:%Y-%m-%d}; it needs "
            f"{training.min_windows} and {training.holdout.windows}.",
            hint="Ingest earlier windows, or lower training.min_windows.",
        )
    return before


def _reach(window: str | int) -> int | None:
    """How many windows to train on; None for all."""
    if window == "expanding":
        return None
    if window == "latest":
        return 1
    text = str(window)
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(
            f"{window!r} is no training window.",
            hint="Write expanding, latest, or a number of windows of at least 1.",
        )
    return int(text)


def _named(
    table: FeatureTable, train: tuple[str, ...], holdout: tuple[str, ...], share: float | None
) -> Split:
    used = {p.window: (p.digest, p.labelled) for p in table.parts if p.window in train + holdout}
    made_of = (used, table.features, table.categorical, train, holdout, share)
    return Split(
        table=table,
        train=train,
        holdout=holdout,
        holdout_share=share,
        digest=digest_of(*made_of),
    )
