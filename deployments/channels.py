"""The channels that declarations name, held against those that this machine knows."""

from collections.abc import Iterable, Iterator

from infra.alerts import flaws
from infra.errors import PerennialError, few
from infra.settings import settings
from tasks.spec import load_spec


def untold(models: Iterable[str]) -> Iterator[str]:
    """Why somebody who is declared would be told of nothing by this machine, a sentence for each.

    Nothing is sent to find it out.

    Args:
        models: their names.

    Raises:
        ConfigError: ``PERENNIAL_ALERTS`` holds no channels at all.
    """
    for flaw in flaws():
        yield f"{flaw.args[0]} {flaw.advice}"
    yield from unheard(models)


def unheard(models: Iterable[str]) -> Iterator[str]:
    """The channels that models name and nobody has configured here, a sentence for each.

    Where a declaration cannot be read it says so: what it names is not known.

    Args:
        models: their names.
    """
    named: dict[str, list[str]] = {}
    for model in models:
        try:
            rules = load_spec(model).alerts
        except PerennialError as error:
            yield f"Who is told of {model} is not known. {error.args[0]}"
            continue
        for channel in dict.fromkeys(name for rule in rules for name in rule.to):
            named.setdefault(channel, []).append(model)
    for channel, known in named.items():
        if channel not in settings().alerts:
            yield (
                f"The alerts of {few(known)} go to the channel {channel!r}, which PERENNIAL_ALERTS "
                "does not name here. Set it where workers run, and for `perennial up`."
            )
