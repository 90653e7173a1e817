"""What Prefect would hold of a model's schedules, as the values that its server answers with."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from deployments.timetable import Timetable
from tasks.schedules import CalendarSpec, ScheduleSpec, called


def held(
    schedules: Sequence[ScheduleSpec],
    calendar: CalendarSpec,
    now: datetime,
    *,
    paused: bool = False,
) -> dict[str, DeploymentResponse]:
    """The deployments of a model ``m`` with these schedules, as they are after a deploy."""
    found = {}
    for flow in dict.fromkeys(each.flow for each in schedules):
        own = [each for each in schedules if each.flow == flow]
        told = Timetable(now, {}).told(own, calendar)
        assert [each.slug for each in told] == list(called(own))
        found[f"{flow}/m"] = DeploymentResponse(
            name="m",
            flow_id=uuid4(),
            labels={},
            paused=paused,
            schedules=[
                DeploymentSchedule(schedule=each.schedule, active=each.active, slug=each.slug)
                for each in told
            ],
        )
    return found
