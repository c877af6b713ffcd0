"""The optimum as a function of a parameter, drawn: one curve, its pieces' ends marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.formula.formula import Formula
    from mechopt.study.formula.guarantee import GuaranteeFormula

POINTS = 60
"""Points drawn a piece."""


def formula_curve(found: Formula | GuaranteeFormula, axes: Axes | None = None) -> Axes:
    """Draw a formula; intervals that were not reached stay empty.

    Parameters
    ----------
    found : Formula or GuaranteeFormula
    axes : matplotlib.axes.Axes, optional
        To draw on; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = own_axes(axes, 6.0, 3.6)
    for piece in found.pieces:
        x = np.linspace(float(piece.start), float(piece.stop), POINTS)
        y = np.polyval(piece.numerator[::-1] or [0], x) / np.polyval(piece.denominator[::-1], x)
        axes.plot(x, y, color=BAR, linewidth=1.6)
        axes.plot(x[[0, -1]], y[[0, -1]], "o", color=BAR, markersize=3.5, markeredgecolor="white")
    axes.set_xlabel(found.parameter)
    axes.set_ylabel(str(found.objective))
    axes.spines[["top", "right"]].set_visible(False)
    count = f"{len(found.pieces)} piece{'s' * (len(found.pieces) != 1)}"
    return titled(axes, f"{found.objective} as a function of {found.parameter}, {count}")
