"""The ``approval`` section: who decides what, by when."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.governance.people import alike
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
    reviewers: tuple[str, ...] = Field((), description="Who may decide; anybody if left out.")
    approvals: int = Field(
        1, ge=1, le=9, description="Different people who must approve; one is enough to refuse."
    )
    author_may_approve: bool = Field(
        False,
        description="Whether somebody who wrote what is new in a candidate's model folder since "
        "the champion may approve it.",
    )
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
    def _can_be_approved(self) -> Self:
        twice = alike(self.reviewers)
        if twice is not None:
            raise ValueError(f"reviewers names somebody twice: {twice[0]!r} and {twice[1]!r}")
        if self.reviewers and len(self.reviewers) < self.approvals:
            raise ValueError(
                f"approvals asks for {self.approvals} people, but reviewers names "
                f"{len(self.reviewers)}"
            )
        if self.approvals > 1 and self.default == "approve":
            raise ValueError("default approve would stand for the approvals that are missing")
        return self

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        if self.signed and not self.signers:
            raise ValueError("signed decisions need `signers`, the file of the keys that count")
        if self.signed and self.default == "approve":
            raise ValueError("default approve would stand for the signature that is missing")
        return self
