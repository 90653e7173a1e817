"""Look at the events that have come, and train for those that a trigger names."""

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.governance import heed_events
from tasks.spec import load_spec


@flow(name="heed", flow_run_name=named("model", "event"))
def heed(model: str, event: str = "") -> State[None]:
    """Start the training that the newest events of applications ask for, once for each.

    Args:
        model: name of the model.
        event: id of the event that an automation has woken this run by.
    """
    spec = load_spec(model)
    frozen = spec.frozen("train", moment(None))
    said = heed_events(model, spec.triggers.events, frozen, event, spec.policy.budget)
    return ended("Heeded", " ".join(said) or "No event is new.")
