"""The proof as a picture: who sees which shift how soon, and how silent it is without one."""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from deployments.proof.result import Calm, Continuous, Shift
from deployments.proof.wording import GROUPS, TITLES, group_of, sized
from tasks.pictures import INK, png
from tasks.verification.spec import ShiftKind

_DELAYS: Final[Mapping[int, tuple[str, str]]] = {
    1: ("#1f6f5c", "white"),
    2: ("#6fae98", "white"),
    3: ("#b9d8c6", INK),
}
"""Ground and letters of a cell by the windows that it took; from the last on all alike."""

_SOME, _NOBODY, _WRONG = ("#f3e3c3", INK), ("#eef1f4", "#7b8894"), "#c8452f"
_SOFT: Final = "#5d6b78"
_MOST_SQUARES: Final = 120
_A_ROW: Final = 60


def draw(proof: Continuous) -> bytes:
    """A PNG: delays by kind and size as a heat map, and a square for each calm window."""
    kinds = list(dict.fromkeys(each.kind for each in proof.shifts))
    height = 2.6 + 0.62 * len(kinds)
    figure = Figure(figsize=(11, height), dpi=130, layout="constrained", facecolor="white")
    top, bottom = figure.subplots(2, 1, height_ratios=(0.62 * len(kinds) + 0.5, 1.3))
    _heat(top, proof, kinds)
    _calm(bottom, proof)
    said = "holds" if proof.passed else "fails"
    for axes in (top, bottom):
        axes.spines[["left", "bottom"]].set_visible(False)
    return png(figure, (top, bottom), f"{proof.model}: the proof that it is watched {said}")


def _heat(axes: Axes, proof: Continuous, kinds: Sequence[ShiftKind]) -> None:
    places = _places(kinds)
    most = max((sum(each.kind is kind for each in proof.shifts) for kind in kinds), default=1)
    for kind in kinds:
        row = [each for each in proof.shifts if each.kind is kind]
        for column, shift in enumerate(row, start=most - len(row)):
            _cell(axes, shift, column, places[kind], proof)
    axes.set_xlim(-0.02, most + 0.02)
    axes.set_ylim(max(places.values(), default=0.0) + 1.0, -0.75)
    axes.set_yticks([places[kind] + 0.5 for kind in kinds], [TITLES[kind] for kind in kinds])
    axes.set_xticks([])
    for name in GROUPS:
        first = [places[kind] for kind in kinds if group_of(kind) == name]
        if first:
            axes.text(0, min(first) - 0.12, name, fontsize=8.5, color=_SOFT, style="italic")
    axes.set_xlabel(
        f"the number: windows until each of {proof.repetitions} shadows had seen it; "
        "below it by whom, and what followed",
        fontsize=8,
        color=_SOFT,
    )
    gross = f"gross: seen within {proof.max_delay} " + _windows(proof.max_delay)
    axes.text(most - 0.5, -0.12, gross, fontsize=8.5, color=INK, ha="center", fontweight="bold")


def _cell(axes: Axes, shift: Shift, column: int, place: float, proof: Continuous) -> None:
    ground, letters = _colours(shift)
    late = shift.gross and (shift.delay is None or shift.delay > proof.max_delay)
    learned = not shift.kind.of_world and "retrain" in shift.followed
    edge = _WRONG if late or learned else INK if shift.gross else "none"
    axes.add_patch(
        FancyBboxPatch(
            (column + 0.03, place + 0.06),
            0.94,
            0.88,
            boxstyle="round,pad=0,rounding_size=0.06",
            mutation_aspect=2.2,
            facecolor=ground,
            edgecolor=edge,
            linewidth=1.6,
        )
    )
    axes.text(column + 0.09, place + 0.29, sized(shift.kind, shift.size), fontsize=7, color=letters)
    axes.text(
        column + 0.5, place + 0.52, _big(shift), fontsize=12, color=letters, ha="center",
        va="center", fontweight="bold",
    )  # fmt: skip
    axes.text(column + 0.5, place + 0.83, _small(shift), fontsize=6.6, color=letters, ha="center")


def _calm(axes: Axes, proof: Continuous) -> None:
    """Squares of the windows without a shift: one that alarmed is red."""
    rows: list[tuple[str, Calm]] = [("dealt anew", proof.unshifted)]
    if proof.steady is not None:
        rows.append(("as they came", proof.steady))
    rows.append(("the contract alone", proof.contract))
    place, ticks = 0.0, {}
    for name, calm in rows:
        ticks[name] = place + 0.5
        place = _squares(axes, calm, place) + 0.35
    axes.set_xlim(0, _A_ROW * 1.45)
    axes.set_ylim(place, -0.9)
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.set_xticks([])
    axes.text(0, -0.35, "windows without a shift", fontsize=8.5, color=_SOFT, style="italic")


def _squares(axes: Axes, calm: Calm, place: float) -> float:
    shown = min(calm.windows, _MOST_SQUARES)
    for number in range(shown):
        x, y = number % _A_ROW, place + number // _A_ROW
        loud = number < calm.alarms
        axes.add_patch(
            FancyBboxPatch(
                (x + 0.1, y + 0.1), 0.75, 0.75, boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=_WRONG if loud else "#cfe3da", edgecolor="none",
            )
        )  # fmt: skip
    noun = "alarm" if calm.alarms == 1 else "alarms"
    bound = f", at most {calm.at_most_a_year:.2f} with 95 %" if calm.at_most_a_year else ""
    axes.text(
        min(shown, _A_ROW) + 0.8, place + 0.5,
        f"{calm.alarms} {noun} in {calm.windows}: {calm.alarms_a_year:.2f} a year{bound}",
        fontsize=8, color=INK, va="center",
    )  # fmt: skip
    return place + 1 + max(shown - 1, 0) // _A_ROW


def _places(kinds: Sequence[ShiftKind]) -> dict[ShiftKind, float]:
    """Where each row begins; faults of the feed and of the predictions stand apart."""
    found, place = {}, 0.0
    for before, kind in zip([None, *kinds], kinds, strict=False):
        place += 0.45 if before is not None and group_of(kind) != group_of(before) else 0.0
        found[kind] = place
        place += 1
    return found


def _colours(shift: Shift) -> tuple[str, str]:
    if shift.delay is not None:
        return _DELAYS[min(shift.delay, max(_DELAYS))]
    return _SOME if shift.seen else _NOBODY


def _big(shift: Shift) -> str:
    if shift.delay is not None:
        return f"{shift.delay}"
    return f"{shift.seen} of {shift.tried}" if shift.seen else "–"  # noqa: RUF001 - nothing was seen


def _small(shift: Shift) -> str:
    if not shift.seen:
        return "not seen"
    return f"{' and '.join(shift.by)}: {', '.join(shift.followed[:2])}"


def _windows(count: int) -> str:
    return "window" if count == 1 else "windows"
