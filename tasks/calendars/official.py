"""Public holidays and closing days of markets, from the ``holidays`` library."""

from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from functools import cache

import holidays

from infra.errors import few


def fault(country: str | None, subdivision: str | None, market: str | None) -> str | None:
    """What is wrong with the name of an official calendar, None where it is there."""
    if market is not None:
        if subdivision is not None:
            return f"a market has no subdivision {subdivision!r}"
        return _unknown("market", market, list(holidays.list_supported_financial()))
    known = holidays.list_supported_countries(include_aliases=True)
    if country is None or country not in known:
        return _unknown("holiday calendar of a country", str(country), list(known))
    if subdivision is None or subdivision in known[country]:
        return None
    if not known[country]:
        return f"the holiday calendar of {country} has no subdivisions"
    return _unknown(f"subdivision of {country}", subdivision, list(known[country]))


_LANGUAGE = "en_US"
"""Of names; left to itself, the library takes the locale's, which is a machine's own."""

Named = Callable[[date], str | None]
"""Tells of a day the name of its holiday, None for all other days."""


@cache
def holiday(country: str | None, subdivision: str | None, market: str | None) -> Named:
    """An official calendar that `fault` finds nothing wrong with."""
    held = (
        holidays.financial_holidays(market, language=_LANGUAGE)
        if market is not None
        else holidays.country_holidays(str(country), subdiv=subdivision, language=_LANGUAGE)
    )

    def named(day: date) -> str | None:
        name: str | None = held.get(day)
        return name

    return named


def _unknown(what: str, name: str, known: list[str]) -> str | None:
    if name in known:
        return None
    close = get_close_matches(name.upper(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {few(sorted(known))}"
    return f"there is no {what} {name!r}; {hint}"
