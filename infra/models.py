"""Models on disk: stored with skops, opened only when their digest and their types are known."""

import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from infra.errors import ConfigError, DataError, IntegrityError, few
from infra.hiding import hidden
from infra.store import get_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MODEL_FILE, SAMPLE_FILE = "model.skops", "sample.parquet"
"""What the folder of a stored model holds."""

_OURS_TO_TRUST = ("sklearn.", "numpy.")
"""Libraries whose types a model of ours may hold without being declared."""

_HARMLESS = frozenset({"functools.partial"})
"""Held by scikit-learn's gradient boosting; the function that it calls is checked by itself."""


def dump_model(model: object, declared: tuple[str, ...] = ()) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a model, equal for equal models, and the types that opening it must trust.

    Args:
        model: a fitted scikit-learn estimator.
        declared: types of one's own that it may hold, as ``module.Class``.

    Raises:
        ConfigError: it holds a type that is neither scikit-learn's nor declared.
    """
    skops = skops_io()
    try:
        data = skops.dumps(model)
        found = tuple(sorted(skops.get_untrusted_types(data=data)))
    except (TypeError, ValueError, AttributeError, NotImplementedError, RecursionError) as error:
        raise ConfigError(
            f"A {type(model).__name__} cannot be stored: {type(error).__name__}: {error}.",
            hint="Build it of scikit-learn's estimators and plain values.",
        ) from error
    strange = {name for name in found if not name.startswith(_OURS_TO_TRUST)}
    undeclared = sorted(strange - _HARMLESS - set(declared))
    if undeclared:
        raise ConfigError(
            f"The model holds types that nobody declared: {few(undeclared)}.",
            hint="Name them under training.trusted_types; their module must be installed.",
        )
    return _canonical(data), found


def load_model(uri: str, digest: str, trusted: tuple[str, ...]) -> Any:  # noqa: ANN401 - any estimator
    """The model of a folder, opened only after its bytes and types were found as recorded.

    Args:
        uri: the folder that holds ``model.skops``.
        digest: SHA-256 that the file must have.
        trusted: the types, beside those that skops knows, that it may hold.

    Raises:
        DataError: there is no model.
        IntegrityError: the digest differs, or the file holds another type.
    """
    skops = skops_io()
    data = get_bytes(f"{uri}/{MODEL_FILE}")
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise IntegrityError(
            f"{uri}/{MODEL_FILE} has digest {found[:12]}, but {digest[:12]} was recorded."
        )
    try:
        strange = sorted(set(skops.get_untrusted_types(data=data)) - set(trusted))
        if strange:
            raise IntegrityError(f"{uri}/{MODEL_FILE} holds untrusted types: {few(strange)}.")
        return skops.loads(data, trusted=list(trusted))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, ImportError) as error:
        raise IntegrityError(
            f"{uri}/{MODEL_FILE} cannot be opened: {type(error).__name__}: {error}.",
            hint="It was written by other versions: install those of the model's lock.",
        ) from error


def predict_scores(model: Any, frame: "pd.DataFrame", kind: str) -> "npt.NDArray[np.float64]":  # noqa: ANN401 - any estimator
    """What a model says of rows.

    Args:
        model: a fitted estimator.
        frame: the features, in the order of training, shape (n_rows, n_features).
        kind: of the label: ``binary``, ``multiclass`` or ``regression``.

    Returns:
        Binary: probability of the positive class, shape (n_rows,). Multiclass: a probability for
        each of `classes_of`, shape (n_rows, n_classes). Regression: values, shape (n_rows,).

    Raises:
        DataError: the rows lack a feature, or a prediction is not finite.
    """
    import numpy as np

    missing = [name for name in getattr(model, "feature_names_in_", ()) if name not in frame]
    if missing:
        raise DataError(f"The rows lack {len(missing)} features of the model: {few(missing)}.")
    if kind == "multiclass" and frame.empty:
        return np.zeros((0, len(classes_of(model))))
    if frame.empty:
        return np.zeros(0)
    raw = model.predict(frame) if kind == "regression" else model.predict_proba(frame)
    scores: npt.NDArray[np.float64] = np.asarray(raw, dtype=np.float64)
    if kind == "binary":
        scores = scores[:, 1]
    if not np.isfinite(scores).all():
        raise DataError(f"{int((~np.isfinite(scores)).sum())} predictions are not finite.")
    return scores


def classes_of(model: Any) -> tuple[str, ...]:  # noqa: ANN401 - any estimator
    """The classes of a classifier, as text, in the order of its probabilities."""
    return tuple(str(name) for name in model.classes_)


def skops_io() -> Any:  # noqa: ANN401 - skops ships no types
    """skops, without what scikit-learn's walk over its own modules would bring along.

    The walk tries the bridges to torch and Dask arrays, which costs 1.6 s and 150 MB in every
    process that opens a model.
    """
    import scipy.stats  # noqa: F401 - while it is imported it takes a hidden torch for a real one

    with hidden("torch", "dask.array"):
        import skops.io
    return skops.io


def _canonical(data: bytes) -> bytes:
    """The same archive without what differs from process to process.

    skops names objects and arrays by their address in memory and zip adds the time of day, so
    two dumps of one model differ. Numbering them in order makes equal models equal bytes.
    """
    source = zipfile.ZipFile(io.BytesIO(data))
    schema = json.loads(source.read("schema.json"))
    files: dict[str, str] = {}
    _renumber(schema, {}, files)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for old, new in files.items():
            _put(archive, new, source.read(old))
        _put(archive, "schema.json", json.dumps(schema, indent=1).encode())
    return target.getvalue()


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def _renumber(node: object, ids: dict[int, int], files: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, files)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
    if isinstance(node.get("file"), str):
        suffix = node["file"].rpartition(".")[2]
        node["file"] = files.setdefault(node["file"], f"{len(files):06d}.{suffix}")
    for item in node.values():
        _renumber(item, ids, files)
