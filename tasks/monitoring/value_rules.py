"""Rules about values that broke: missing, standing still, filled in, rounded, spelt otherwise.

What they find beyond its limit is a fault of the data, as in `data_rules`.
"""

from collections.abc import Iterator
from typing import Final

from infra.errors import few
from tasks.monitoring.causes import (
    SUSPECT,
    DataRule,
    Fault,
    Observation,
    cause,
    counted,
    weight,
)
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.spikes import Spike
from tasks.references import Action, WatchKind


def _missing(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    if seen.drift is None:
        return
    rises = {
        name: (each.missing_before, each.missing)
        for name, each in seen.drift.features.items()
        if each.missing - each.missing_before > spec.max_missing
    }
    if rises:
        listed = [f"{name} {before:.0%} to {after:.0%}" for name, (before, after) in rises.items()]
        most = max(after - before for before, after in rises.values())
        yield Fault(
            cause(
                WatchKind.QUALITY,
                Action.ALERT,
                f"Missing values rose by more than {spec.max_missing:.0%}: {few(listed)}.",
                weight(most, spec.max_missing),
                round(max(after for _, after in rises.values()) * seen.rows),
            ),
            values={name: after - before for name, (before, after) in rises.items()},
        )


def _stuck(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    features = seen.drift.features if seen.drift else {}
    found = [name for name, each in features.items() if each.stuck]
    found = [name for name in found if name not in spec.may_stand_still]
    if found:
        sentence = (
            f"One single value in all rows: {few(found)}; no value had half of the training rows. "
            "If it may be so, monitoring.may_stand_still names it."
        )
        yield Fault(
            cause(WatchKind.QUALITY, Action.ALERT, sentence, 1.0, seen.rows),
            values=dict.fromkeys(found, 1.0),
        )


def _resolution(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Values that were rounded, or have digits that they never had."""
    limit = spec.max_distinct_change
    if seen.drift is None or limit is None:
        return
    found = {
        name: max(each.coarser, each.finer)
        for name, each in seen.drift.features.items()
        if not each.stuck and max(each.coarser, each.finer) > limit
    }
    if found:
        features = seen.drift.features
        listed = [
            f"{name} {features[name].distinct:,.0f} ({features[name].distinct_before:,.0f})"
            for name in found
        ]
        sentence = (
            f"Distinct values, and how many the training rows have: {few(listed)}. No "
            f"{limit:g} times fewer or more are to be expected of so many rows."
        )
        yield Fault(
            cause(
                WatchKind.QUALITY,
                Action.ALERT,
                sentence,
                weight(max(found.values()), limit),
                seen.rows,
            ),
            values=dict.fromkeys(found, 1.0),
        )


def _spikes(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """One value in many rows of a feature: a sensor stood still, or a default was filled in."""
    limit = spec.max_spike
    if limit is None:
        return
    far = {each.name for each in seen.far}
    risen = {
        name: each
        for name, each in _risen(seen, spec, limit * SUSPECT).items()
        if each.rise > limit or name not in far
    }
    for beyond in (True, False):
        found = {name: each for name, each in risen.items() if (each.rise > limit) is beyond}
        if not found:
            continue
        most = max(found.values(), key=lambda each: each.rise)
        sentence = (
            f"One value in many rows: {few([_told(each) for each in found.values()])}; it may rise "
            f"by {limit:.0%} of them. If it may be so, monitoring.may_stand_still names the "
            "feature."
        )
        action = Action.ALERT if beyond else Action.REST
        rows = round(min(most.share, most.of_rows) * seen.rows)
        yield Fault(
            cause(WatchKind.QUALITY, action, sentence, weight(most.rise, limit), rows),
            values={name: each.rise for name, each in found.items()},
            suspect=not beyond,
        )


def _risen(seen: Observation, spec: MonitoringSpec, least: float) -> dict[str, Spike]:
    """The single values that rose by more than so many of the rows, by feature."""
    features = seen.drift.features if seen.drift else {}
    return {
        each.name: each
        for each in seen.spikes
        if each.rise > least
        and each.name not in spec.may_stand_still
        and not (each.name in features and features[each.name].stuck)
    }


def _far(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Numbers where no world takes them: each is told by this or as a single value, not by both."""
    told = _risen(seen, spec, spec.max_spike) if spec.max_spike is not None else {}
    found = {
        each.name: each
        for each in seen.far
        if each.name not in told
        and each.name not in spec.may_stand_still
        and each.share > spec.max_impossible
    }
    if found:
        listed = [f"{n} in {f.share:.1%} of the rows, as {f.example:g}" for n, f in found.items()]
        most = max(each.share for each in found.values())
        yield Fault(
            cause(
                WatchKind.QUALITY,
                Action.ALERT,
                f"Values ten ranges beyond all that was learned: {few(listed)}. They stand for a "
                "missing one, or are in another unit.",
                weight(most, spec.max_impossible),
                round(most * seen.rows),
            ),
            values={name: each.share for name, each in found.items()},
        )


def _one_class(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Labels of one class in the place of others: the world may do so, and a default does."""
    found, limit = seen.one_class, spec.max_spike
    if found is None or limit is None or found.share <= limit * SUSPECT:
        return
    yield Fault(
        cause(
            WatchKind.QUALITY,
            Action.REST,
            f"Labels went to one class: {found.share:.0%} of those that should be another are "
            f"{found.name}, however sure of it the champion was. Perhaps a default was filled in.",
            rows=found.rows,
        ),
        share=found.share,
        moves=False,
        suspect=True,
    )


def _answers(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Likewise, of the predictions and the labels."""
    # Beyond what it learned from a champion of trees says the same of all rows, and so it does of
    # rows of which a feature says the same.
    features = seen.drift.features.values() if seen.drift else ()
    same = [each.rise for each in seen.spikes] + [1.0 for each in features if each.stuck]
    beyond = max([*same, seen.drift.novelty if seen.drift else 0.0])
    said = seen.scored - seen.others
    sides = (
        ("predictions", "a service answers a default", seen.prediction_spike, said, beyond),
        ("labels", "a default was filled in", seen.label_spike, seen.labelled, 0.0),
    )
    for name, guess, found, rows, usual in sides:
        if spec.max_spike is not None and found and found.rise - usual > spec.max_spike:
            sentence = (
                f"One value in many {name}: {_told(found)}; it may rise by {spec.max_spike:.0%} of "
                f"them. Perhaps {guess}."
            )
            concerned = round(found.share * rows)
            yield Fault(
                cause(
                    WatchKind.QUALITY,
                    Action.ALERT,
                    sentence,
                    weight(found.rise, spec.max_spike),
                    concerned,
                ),
                share=found.rise,
                moves=False,
            )


def _renamed(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Names that are new by their spelling, or nearly all at once: a system changed."""
    found = [each for each in seen.renamings if each.name not in spec.may_stand_still]
    if not found:
        return
    most = max(each.share for each in found)
    beyond = most > spec.max_impossible
    told = [
        f"{each.name} in {each.share:.1%} of the rows"
        + (f" ({few(list(each.pairs), most=2)})" if each.pairs else "")
        for each in found
    ]
    yield Fault(
        cause(
            WatchKind.QUALITY,
            Action.ALERT if beyond else Action.REST,
            f"Names are written otherwise, or are all new at once: {few(told)}.",
            weight(most, spec.max_impossible),
            round(most * seen.rows),
        ),
        values={each.name: each.share for each in found},
    )


def _outside(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    if not seen.outside:
        return
    share = seen.outside / max(seen.scored, 1)
    are = "is" if seen.outside == 1 else "are"
    yield Fault(
        cause(
            WatchKind.QUALITY,
            Action.ALERT if share > spec.max_impossible else Action.REST,
            f"{counted(seen.outside, 'prediction')} {are} what none can be: a chance beyond 0 and "
            "1, or infinite.",
            weight(share, spec.max_impossible),
            seen.outside,
        ),
        share=share,
        moves=False,
    )


def _told(spike: Spike) -> str:
    return f"{spike.name} {spike.value:g} in {spike.share:.0%} (before {spike.before:.0%})"


VALUE_RULES: Final[tuple[DataRule, ...]] = (
    _missing,
    _stuck,
    _resolution,
    _spikes,
    _far,
    _answers,
    _one_class,
    _renamed,
    _outside,
)
