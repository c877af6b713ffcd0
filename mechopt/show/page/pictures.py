"""Figures of a report on a comparison."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mechopt.core.errors import MechoptError, shortened
from mechopt.lp.build import plan
from mechopt.show.page.page import Picture
from mechopt.show.page.wording import names, number, share
from mechopt.solve.solution import Status
from mechopt.study.compare.comparison import Comparison

if TYPE_CHECKING:
    from mechopt.study.frontier.frontier import Frontier

CHEAP_NONZEROS = 20_000
CHEAP_SECONDS = 3.0
CHEAP_CORNERS = 12
"""The frontier is drawn where the program has at most so many non-zeros; so long and so far is it looked for."""
LONGEST_NAME = 40


def pictures(comparison: Comparison) -> list[Picture]:
    """Figures; none where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return []
    from mechopt.show.figures.comparison import ratio_bars
    from mechopt.show.figures.frontier import frontier_curve
    from mechopt.show.figures.revenue import revenue_bars
    from mechopt.show.page.svg import inline_svg

    named = tuple(replace(entry, name=shortened(entry.name, LONGEST_NAME)) for entry in comparison.entries)
    comparison = replace(comparison, entries=named)
    own = replace(comparison, entries=tuple(entry for entry in named if entry.computed != "bound"))
    drawn = []
    if any(not math.isnan(entry.ratio) for entry in own.entries):
        promised = any(entry.guarantee for entry in own.entries)
        spoken = ", ".join(f"{e.name} {share(e.ratio)}" for e in own.entries if not math.isnan(e.ratio))
        drawn.append(
            Picture(
                inline_svg(lambda: ratio_bars(own), f"Bars: share of the optimal revenue. {spoken}.", "ratios"),
                "Share of the optimal revenue"
                + ("; upright strokes: the share that is guaranteed." if promised else "."),
            )
        )
    elif own.entries:
        spoken = ", ".join(f"{entry.name} {number(entry.revenue)}" for entry in comparison.entries)
        drawn.append(
            Picture(
                inline_svg(lambda: revenue_bars(comparison), f"Bars: revenue. {spoken}.", "revenues"),
                "Revenue; broken lines: bounds on every mechanism.",
            )
        )
    curve = cheap_frontier(comparison)
    if curve is not None:
        ends = [(number(float(curve.amounts[k])), number(float(curve.revenues[k]))) for k in (0, -1)]
        spoken = f"from welfare {ends[0][0]} and revenue {ends[0][1]} to welfare {ends[1][0]} and revenue {ends[1][1]}"
        label = f"Curve: the most revenue by welfare, {spoken}, {len(curve.points)} corners."
        caption = f"The most revenue for each welfare under {names((*curve.ic, *curve.ir, *curve.subject_to))}."
        drawn.append(Picture(inline_svg(lambda: frontier_curve(curve), label, "frontier"), caption))
    return drawn


def cheap_frontier(comparison: Comparison) -> Frontier | None:
    """Revenue against welfare where that is a matter of seconds and a curve, else None."""
    from mechopt.study.frontier.frontier import frontier

    best = comparison.optimum
    if best is None or best.status is not Status.OPTIMAL or best.method not in ("simplex", "ipx", "promised"):
        return None
    if plan(comparison.environment, best.ic, best.ir, subject_to=best.subject_to).size.nonzeros > CHEAP_NONZEROS:
        return None
    try:
        asked = comparison.environment, best.ic, best.ir
        found = frontier(*asked, points=CHEAP_CORNERS, time_limit=CHEAP_SECONDS, subject_to=best.subject_to)
    except MechoptError:
        return None
    return found if len(found.points) > 1 else None
