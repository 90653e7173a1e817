"""The files of a new model, as text."""

import json
import re
from importlib.resources import files
from math import isfinite
from string import Template
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from deployments.new.inference import HOLDOUT_SHARE, Sheet
from tasks.data.spec import CsvSpec

METRICS: Final = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
_TOO_GOOD: Final = {
    "binary": "# too_good: 0.99  # a metric beyond this is a leak until a person has looked",
    "multiclass": "# too_good: 0.999  # a metric beyond this is a leak until a person has looked",
    "regression": "# too_good: 0.1  # a metric beyond this is a leak until a person has looked",
}
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORDS: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_FEW_VALUES: Final = 30
_ROW: Final = {"on_failure": "quarantine"}
_NEWS: Final = {"on_failure": "warn"}
_UNIT: Final = {"on_failure": "quarantine", "when_most": "hold"}
"""What follows: one bad row is set aside, a new category is told, another unit holds the batch."""


def render(name: str, sheet: Sheet, source: str, owner: str) -> dict[str, str]:
    """Path in the model's folder to text, for every file but the data.

    Args:
        name: of the model.
        sheet: what was understood of the file.
        source: the file's name, for people.
        owner: who answers for the model.
    """
    suite = starter_suite(name, sheet)
    facts = {
        "name": name,
        "title": scalar(f"Predict {sheet.target}"),
        "question": f"what is {sheet.target}?",
        "source": source,
        "owner": scalar(owner),
    }
    return {
        "model.yaml": _filled("model.yaml", facts | _declared(sheet)),
        "features.py": _filled("features.py", facts | _built(sheet)),
        "trainer.py": _filled("trainer.py", facts | {"kind": sheet.kind}),
        "README.md": _filled("README.md", facts | _told(sheet, suite)),
        "expectations/rows.json": json.dumps(suite, indent=2, ensure_ascii=False) + "\n",
    }


def starter_suite(model: str, sheet: Sheet) -> dict[str, Any]:
    """A Great Expectations suite that the file meets: values present, known, in a wide range."""
    expectations = []
    for name in sheet.table.column_names:
        values = sheet.table[name]
        if not values.null_count:
            expectations.append(_expectation("expect_column_values_to_not_be_null", name, _ROW))
        if name in sheet.key or name == sheet.time:
            continue
        known = _known_values(values) if name != sheet.target or sheet.kind != "regression" else []
        if known:
            expectations.append(
                _expectation("expect_column_values_to_be_in_set", name, _NEWS, value_set=known)
            )
        elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            expectations += _range(values, name)
    return {"name": f"{model}.rows", "expectations": expectations, "meta": {}}


def scalar(text: str) -> str:
    """A text as YAML: bare where that is safe, else quoted.

    >>> scalar("sepal_length"), scalar("sepal length (cm)"), scalar("no")
    ('sepal_length', '"sepal length (cm)"', '"no"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def column_type(kind: pa.DataType) -> str:
    """The name that a declaration has for a column's type."""
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return "date" if pa.types.is_date(kind) else "string"


def _filled(template: str, facts: dict[str, str]) -> str:
    text = files("deployments.new").joinpath(f"templates/{template}.template").read_text("utf-8")
    filled = Template(text).substitute(facts)
    # A line that had nothing to say leaves no gap behind.
    return re.sub(r"\n{3,}", "\n\n\n", re.sub(r"[ \t]+\n", "\n", filled)).rstrip("\n") + "\n"


def _declared(sheet: Sheet) -> dict[str, str]:
    columns = {name: column_type(sheet.table[name].type) for name in sheet.table.column_names}
    optional = [name for name in columns if sheet.table[name].null_count and name not in sheet.key]
    timed = sheet.time is not None
    return {
        "grain": f"  grain: {sheet.grain}"
        + ("" if timed else "  # the rows carry no time: each delivery replaces the one before"),
        "target": scalar(sheet.target),
        "kind": sheet.kind,
        "key": _flow(sheet.key),
        "calendar": f"      calendar: {_flow((sheet.time,))}" if sheet.time else "      # no time",
        "columns": "\n".join(f"        {scalar(name)}: {kind}" for name, kind in columns.items()),
        "optional": f"      optional: {_flow(optional)}  # may be empty"
        if optional
        else "      # optional: []  # columns that may be empty",
        "csv": _written(sheet.written),
        "features": "\n".join(f"    - {scalar(name)}" for name in sheet.features),
        "categorical": f"  categorical: {_flow(sheet.categorical)}",
        "holdout": "  window: expanding\n  holdout: {windows: 1}  # the newest labelled window"
        if timed
        else f"  holdout: {{share: {HOLDOUT_SHARE}}}  # by hash of the key, as there is no time",
        "metric": METRICS[sheet.kind],
        "too_good": _TOO_GOOD[sheet.kind],
    }


def _built(sheet: Sheet) -> dict[str, str]:
    constants = f"POSITIVE = {_python(sheet.positive)}\n" if sheet.kind == "binary" else ""
    label = {
        "binary": '(rows[TARGET] == POSITIVE).astype("Int64").where(rows[TARGET].notna())',
        "multiclass": "rows[TARGET]",
        "regression": 'rows[TARGET].astype("float64")',
    }
    return {
        "key": _python(sheet.key),
        "numeric": _python(sheet.numeric),
        "categorical": _python(sheet.categorical),
        "target": _python(sheet.target),
        "constants": constants,
        "event_time": _event_time(sheet),
        "label": label[sheet.kind],
    }


def _event_time(sheet: Sheet) -> str:
    if sheet.time is None:
        return 'pd.Timestamp("1970-01-01", tz="UTC")  # the rows carry no time'
    column = f"rows[{_python(sheet.time)}]"
    if pa.types.is_integer(sheet.table[sheet.time].type):
        return f'pd.to_datetime({column}.astype("str"), format="%Y", utc=True)'
    return f"pd.to_datetime({column}, utc=True)"


def _told(sheet: Sheet, suite: dict[str, Any]) -> dict[str, str]:
    left_out = [f"- `{name}`: {why}" for name, why in sheet.left_out.items()]
    windowed = sheet.time is not None
    return {
        "target": sheet.target,
        "kind": sheet.kind,
        "rows": f"{sheet.table.num_rows:,}",
        "keys": ", ".join(f"`{name}`" for name in sheet.key),
        "expectations": str(len(suite["expectations"])),
        "numeric_count": str(len(sheet.numeric)),
        "categorical_count": str(len(sheet.categorical)),
        "time_sentence": f"Time: `{sheet.time}`, in windows of a {sheet.grain}."
        if windowed
        else f"No time: {HOLDOUT_SHARE:.0%} of the rows are held out by the hash of their key.",
        "left_out": "\n".join(["\nLeft out:", *left_out]) if left_out else "",
        "parameters": "-p window=WINDOW" if windowed else "",
        "windows_hint": "\nIngest each window in turn, oldest first; training needs two."
        if windowed
        else "",
    }


def _expectation(kind: str, column: str, meta: dict[str, str], **more: object) -> dict[str, Any]:
    return {"type": kind, "kwargs": {"column": column, **more}, "meta": meta}


def _known_values(values: pa.ChunkedArray) -> list[str]:
    """The values of a text column with few of them; none for other columns."""
    if not pa.types.is_string(values.type):
        return []
    known = sorted(pc.unique(values.drop_null()).to_pylist())
    return known if len(known) <= _FEW_VALUES and len(known) < len(values) / 2 else []


def _range(values: pa.ChunkedArray, name: str) -> list[dict[str, Any]]:
    """The range of a column, wider by its own width on either side; none where nothing is finite.

    Infinite values lie outside of it: their rows are set aside when the file is ingested.
    """
    limits = pc.min_max(values.filter(pc.is_finite(values))).as_py()
    if limits["max"] is None:
        return []
    width = (limits["max"] - limits["min"]) or abs(limits["max"]) or 1
    least = 0 if 0 <= limits["min"] < width else limits["min"] - width
    most = limits["max"] + width
    if not isfinite(least) or not isfinite(most):  # of values near the end of what a float can be
        return []
    kind = "expect_column_values_to_be_between"
    return [_expectation(kind, name, _UNIT, min_value=least, max_value=most)]


def _flow(names: tuple[str, ...] | list[str]) -> str:
    return f"[{', '.join(scalar(name) for name in names)}]"


def _written(found: CsvSpec) -> str:
    """How deliveries are written that come as text, where they are no plain CSV in UTF-8."""
    plain = CsvSpec().model_dump()
    fields = {name: value for name, value in found.model_dump().items() if value != plain[name]}
    if not fields:
        return ""
    said = ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())
    return f"      csv: {{{said}}}  # as the file was that this model began from"


def _python(value: object) -> str:
    """A value as Python source, lists one entry a line where they are long."""
    if not isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    entries = [_python(entry) for entry in value]
    line = f"[{', '.join(entries)}]"
    if len(line) < 80:  # noqa: PLR2004 - what fits in a line of source with its name
        return line
    return "[\n" + "".join(f"    {entry},\n" for entry in entries) + "]"
