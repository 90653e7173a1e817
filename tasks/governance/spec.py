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
    remind_after: timedelta | None = Field(
        None, description="The channels of `remind` are told once that the review waits."
    )
    escalate_after: timedelta | None = Field(
        None, description="The channels of `escalate` are told once that the review still waits."
    )
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
    def _told_before_the_deadline(self) -> Self:
        for name in ("remind_after", "escalate_after"):
            after = getattr(self, name)
            if after is not None and not timedelta(0) < after < self.deadline:
                raise ValueError(f"{name} is not between the question and its deadline")
        return self

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        if self.signed and not self.signers:
            raise ValueError("signed decisions need `signers`, the file of the keys that count")
        return self
