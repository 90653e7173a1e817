"""The automations of a deployment in Prefect: events that wake it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

    from tasks.governance import triggers

_ITS_ID: Final = {"__prefect_kind": "jinja", "template": "{{ event.id }}"}
"""As plain text Prefect 3.8 would render it as JSON, which fails: it is a UUID."""


def wake(
    client: SyncPrefectClient,
    deployment: UUID,
    name: str,
    events: Iterable[triggers.EventTrigger],
) -> bool:
    """Whether something changed, now that a deployment has one automation for each event.

    They belong to the deployment. One that somebody paused on Prefect's page stays paused.

    Args:
        client: of Prefect's server.
        deployment: its id there.
        name: what people call it: ``heed/flights``.
        events: what wakes it.
    """
    wanted = {each.name: each for each in (_automation(deployment, name, e) for e in events)}
    there = [each.name for each in client.read_automations() if each.name.startswith(f"{name}: ")]
    if sorted(there) == sorted(wanted):
        return False
    still(client, deployment)
    for each in wanted.values():
        client.create_automation(each)
    return True


def still(client: SyncPrefectClient, deployment: UUID) -> None:
    """Remove the automations of a deployment."""
    client.delete_resource_owned_automations(_owner(deployment))


def _automation(deployment: UUID, name: str, asked: triggers.EventTrigger) -> AutomationCore:
    return AutomationCore(
        name=f"{name}: {asked.event} of {asked.resource}",
        description=f"Wakes {name}, which reads the event itself. Kept by `perennial deploy`.",
        trigger=EventTrigger(
            expect={asked.event},
            match={"prefect.resource.id": asked.resource},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(deployment_id=deployment, parameters={"event": _ITS_ID})],
        owner_resource=_owner(deployment),
    )


def _owner(deployment: UUID) -> str:
    return f"prefect.deployment.{deployment}"
