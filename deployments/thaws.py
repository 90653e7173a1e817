"""What verdicts, gates and new data have asked for, and a freeze or a kill has left undone."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from deployments.arrivals import train_on_what_came
from infra.errors import PerennialError
from tasks.governance.promoting import promote_waiting
from tasks.governance.taking_up import take_up
from tasks.spec import load_spec


def follow_thaws(models: Iterable[str], now: datetime) -> Iterator[str]:
    """Start what verdicts and new data asked for and nobody started, or say why it waits.

    A training and a promotion by the gates wait for the end of a freeze; whatever a monitor has
    concluded and was killed before it began is taken up at once. What waited for commits and
    events is found by those who look for them. Called again it starts nothing; what still waits is
    said again.

    Args:
        models: their names.
        now: the time, by which days are frozen.

    Raises:
        BackendError: the database or Prefect's server does not answer.
    """
    for model in models:
        try:
            spec = load_spec(model)
            frozen = spec.frozen("train", now) is not None
            said = [take_up(model, frozen=frozen), train_on_what_came(spec, now)]
            said.append("" if spec.frozen("promote", now) else promote_waiting(model))
            yield from filter(None, said)
        except PerennialError as error:
            yield f"What {model} has left undone was not looked at. {error.args[0]}"
