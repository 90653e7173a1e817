"""The ``approval`` section: who decides what, by when."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.references import Cause
from tasks.sections import Section


class ApprovalSpec(Section):
    """When a person is asked, and what happens when nobody answers."""

    causes: tuple[Cause, ...] = Field(
        (), description="Trainings whose promotion a person approves even when the gates pass."
    )
    deadline: timedelta = timedelta(days=7)
    default: Literal["refuse", "approve"] = "refuse"
    reviewers: tuple[str, ...] = ()
    signed: bool = Field(
        False,
        description="A decision counts only with an SSH signature (`perennial review --sign`).",
    )
    signers: str = Field(
        "",
        pattern=r"^([\w-][\w.-]*)?$",
        description="Allowed signers file in the model's folder, as `ssh-keygen` describes it.",
    )

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        if self.signed and not self.signers:
            raise ValueError("signed decisions need `signers`, the file of the keys that count")
        return self
