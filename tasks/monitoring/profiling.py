"""Drawing the profile of a version: once, when it is trained, for as long as it is watched."""

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.steps import step
from infra.store import digest_of, get_bytes, put_bytes, uri
from tasks.data.spec import LabelSpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Evaluation, Fitted, Profiled

if TYPE_CHECKING:
    import pyarrow as pa


@step
def profile(
    fitted: Fitted, evaluation: Evaluation, monitoring: MonitoringSpec, label: LabelSpec
) -> Profiled:
    """What a model learned from and what it said of its holdout, as sketches beside a sample.

    Training rows are read in batches, so that memory does not grow with them; of rows without time
    the share that was held out is among them, being drawn from the same. Of predictions those on
    the holdout count: a model is surer of rows that it learned from.

    Raises:
        DataError: there are no rows.
        IntegrityError: rows are not those that were recorded.
    """
    import pyarrow.parquet as pq

    from tasks.frames import feature_batches
    from tasks.monitoring.drift import sample
    from tasks.monitoring.learned import FEATURES, PREDICTION, PREDICTIONS, SAMPLE, TARGET
    from tasks.monitoring.sketches.profiles import draw_profile
    from tasks.monitoring.sketches.storing import dump_profile

    table, windows = fitted.split.table, fitted.split.train
    seed = int(fitted.split.digest[:8], 16)
    texts = {table.label, PREDICTION} if label.kind == "multiclass" else set()

    def rows(*columns: str) -> "Iterator[pa.RecordBatch]":
        return feature_batches(table, windows, columns, labelled=True)

    features, some = draw_profile(
        lambda: rows(*table.features), table.features, table.categorical, seed
    )
    target, _ = draw_profile(lambda: rows(table.label), [table.label], texts, seed)
    said = pq.read_table(io.BytesIO(get_bytes(evaluation.predictions_uri)), columns=[PREDICTION])
    predictions, _ = draw_profile(said.to_batches, [PREDICTION], texts, seed)
    sampled = sample(some.table().to_pandas(), monitoring.report_rows, seed)
    files = {
        FEATURES: dump_profile(features),
        TARGET: dump_profile(target),
        PREDICTIONS: dump_profile(predictions),
        SAMPLE: sampled.to_parquet(index=False),
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    place = uri(table.model, "profiles", digest_of(fitted.split.digest, digests))
    uris = {name: put_bytes(f"{place}/{name}", data) for name, data in files.items()}
    return Profiled(uris=uris, digests=digests, rows=features.rows)
