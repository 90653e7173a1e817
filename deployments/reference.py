"""The reference of ``model.yaml``, written from the sections themselves.

``python -m deployments.reference > docs/declaration.md`` renews it; a test holds that it is new.
"""

import sys
from collections.abc import Iterator
from datetime import date, time, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.spec import ModelSpec

_HEAD = """# The declaration of a model: `model.yaml`

One folder declares a model: `NAME/model.yaml`, with the Python that it names beside it. It is read
once and frozen; a field that nobody knows is an error that suggests the nearest one. Import strings
(`module:name`) are relative to the model's folder, checked for form when the file is read and
resolved by `perennial deploy`, by the tests and by the step that uses them. Durations are ISO 8601
(`PT6H`, `P3D`) or seconds, sizes carry their unit (`2GiB`).

`perennial new NAME` writes a commented one; `deployments/flights/model.yaml` uses most of it.
This page is written from the code: `python -m deployments.reference`.
"""

_PLAIN = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "yes or no",
    timedelta: "duration",
    date: "day",
    time: "time of day",
}


def render() -> str:
    """The whole page, in Markdown."""
    lines = [_HEAD]
    for place, section in _sections(ModelSpec, ""):
        lines += [f"## {place or 'At the top'}", "", f"{_prose(section)}", ""]
        lines += ["| field | kind | default | what it is |", "|---|---|---|---|"]
        lines += [_row(name, field) for name, field in _fields(section)]
        lines.append("")
    return "\n".join(lines)


def _sections(section: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with where it stands in the file, in the order of the file."""
    yield place, section
    for name, field in _fields(section):
        for inner in _models(field.annotation):
            yield from _sections(inner, f"{place}.{name}".lstrip(".") + _suffix(field))


def _fields(section: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [each for each in section.model_fields.items() if not each[1].exclude]


def _suffix(field: FieldInfo) -> str:
    origin = get_origin(field.annotation)
    return {dict: ".NAME", tuple: "[]"}.get(origin, "") if origin else ""


def _models(kind: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for each in get_args(kind) for model in _models(each)]


def _prose(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_shown(field)}`"
    kind = _kind(field.annotation).replace("|", "\\|")
    return f"| `{name}` | {kind} | {default} | {' '.join((field.description or '').split())} |"


def _shown(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.0f} s"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | dict):
        held = f"[{', '.join(str(each) for each in value)}]"
        return held if isinstance(value, tuple) else "{}"
    return "none" if value is None else str(value)


def _kind(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """An annotation in words."""
    origin, parts = get_origin(kind), [each for each in get_args(kind) if each is not Ellipsis]
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in parts)
    if origin in {Union, UnionType}:
        return " or ".join(_kind(each) for each in parts if each is not NoneType)
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"name to {_kind(parts[1])}"
    return _PLAIN.get(kind) or _named(kind)


def _named(kind: object) -> str:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    choices = getattr(kind, "__members__", None)
    if choices:
        return " or ".join(f"`{each.value}`" for each in choices.values())
    return "value"


if __name__ == "__main__":
    sys.stdout.write(render())
