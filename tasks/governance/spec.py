"""The ``approval`` section: who decides what, by when."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

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
