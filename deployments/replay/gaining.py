"""What one policy gained on another: on the same rows, window by window, with its interval."""

from statistics import NormalDist

import numpy as np

from deployments.replay.results import Gain
from deployments.replay.track import Track
from deployments.replay.world import World
from infra.errors import DataError
from infra.store import digest_of
from tasks.evaluation.bootstrap import Paired, paired_bootstrap
from tasks.monitoring.sources import scored_rows, window_rows


def gained(world: World, track: Track, against: Track) -> Gain | None:
    """The mean gain over the windows that both predicted, weighted by labelled rows.

    Where both said the same nothing was gained, for certain. Elsewhere a paired bootstrap says
    how sure the gain of a window is; windows are independent, so their variances add up.

    Returns:
        None where both predicted no labelled window together.
    """
    gains, errors, rows = [], [], []
    for window in [name for name in track.predictions if name in against.predictions]:
        found = _in(world, track, against, window)
        if found is not None:
            gains.append(found[0])
            errors.append(found[1])
            rows.append(found[2])
    if not sum(rows):
        return None
    shares = np.array(rows) / sum(rows)
    gain = float(shares @ np.array(gains))
    error = float(np.sqrt(((shares * np.array(errors)) ** 2).sum()))
    confidence = world.spec.gates.confidence
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Gain(
        against=against.rules.name,
        gain=gain,
        lower=gain - reach,
        upper=gain + reach,
        confidence=confidence,
    )


def _in(world: World, track: Track, against: Track, window: str) -> tuple[float, float, int] | None:
    """Gain, its standard error and the labelled rows of a window; None where it has none."""
    spec, as_of = world.spec, world.closes(window)
    mine, theirs = track.predictions[window], against.predictions[window]
    label, table = spec.data.label, world.table(as_of)
    said = scored_rows(window_rows(mine, table, label).frame, label)
    if not len(said.labels):
        return None
    if mine.digest == theirs.digest:
        return 0.0, 0.0, len(said.labels)
    other = scored_rows(window_rows(theirs, table, label).frame, label)
    if said.predictions.shape != other.predictions.shape:
        return None  # versions that know other classes: no row is comparable
    pairs = Paired(label.kind, said.labels, said.predictions, other.predictions)
    try:
        found = paired_bootstrap(
            pairs,
            spec.evaluation.metric,
            rounds=spec.gates.rounds,
            confidence=spec.gates.confidence,
            seed=int(digest_of(mine.digest, theirs.digest)[:15], 16),
        )
    except DataError:
        return None  # rows of one class have no such metric
    wide = NormalDist().inv_cdf(0.5 + spec.gates.confidence / 2)
    return found.gain, (found.upper - found.lower) / (2 * wide), len(said.labels)
