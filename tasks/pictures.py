"""How every picture of ours ends: quiet axes, a title, PNG bytes that do not name the library."""

import io
from collections.abc import Iterable
from typing import Any, Final

from matplotlib.figure import Figure

INK: Final = "#22303c"
FAINT: Final = "#d9dee3"


def png(figure: Figure, panels: Iterable[Any], title: str) -> bytes:
    """The PNG of a figure whose panels are drawn."""
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(colors=INK, labelsize=8, length=0)
    figure.suptitle(title, fontsize=11, color=INK, fontweight="bold")
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
