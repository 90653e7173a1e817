"""The base of every block of a declaration, and the kinds of values they share."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_IMPORT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Section(BaseModel):
    """One block of a model's declaration: frozen once read, and a typo is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _import_string(text: str) -> str:
    if not _IMPORT.fullmatch(text):
        raise ValueError(f"{text!r} is no import string; write module:name, as in features:build")
    return text


ImportString = Annotated[str, AfterValidator(_import_string)]
"""``module:name``, relative to the model's folder; checked for form here, resolved at use."""
