"""Pictures of what happens over time: balances of bank accounts, and prices where types persist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK
from mechopt.show.figures.sweep import COLOURS, MARKERS
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.study.paths import SIMULATED, Account, SamplePath, balance_quantiles, sample_path, simulated_balances

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.closedform.pivot.dynamic_pivot import DynamicPivot
    from mechopt.mechanism.stationary import MarkovMechanism

SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
"""Quantiles between which the bands lie, and the median."""
OUTER, INNER = "#d4d9e5", "#9daac5"
"""Of the bands: the bars' colour on paper, two greys in print."""
INKS, STROKES = ("0.15", MARK, "#2a9d8f", "0.45"), ("-", "--", "-.", ":")
"""Of the paths."""


def balance_paths(mechanism: Account, axes: Axes | None = None, paths: int = 3, seed: int = 0, buyer: int = 0) -> Axes:
    """A buyer's balance before each period: bands of its distribution, its mean, and some paths of truthful reports.

    Parameters
    ----------
    mechanism : BankAccountMechanism, BankTable or PromisePolicy
        Of a policy: the tabulated promise, on which sales depend; what is promised beyond the last one is the buyer's
        for good, and is not drawn.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    paths : int
        How many to draw, from 0 to 4.
    seed : int
        Of the paths, and of simulated bands.
    buyer : int
        Whose balance.

    Returns
    -------
    matplotlib.axes.Axes
        Present value. Bands hold half, and nine tenths, of the probability; they are exact where balances are few
        enough to be followed, else from 2,000 runs, which is then said.

    Raises
    ------
    InputError
        If there is no such buyer, or too many paths are asked for.
    """
    kinds = ("BankAccountMechanism", "BankTable", "PromisePolicy")
    require_type(mechanism, kinds, "balance_paths", "give a mechanism that keeps balances")
    faults = []
    if not 0 <= buyer < mechanism.environment.agents:
        faults.append(Fault("buyer", f"is {buyer}", f"write 0 to {mechanism.environment.agents - 1}"))
    if not 0 <= paths <= len(INKS):
        faults.append(Fault("paths", f"is {paths}", f"write 0 to {len(INKS)}"))
    if faults:
        raise InputError(faults)
    axes, rng = own_axes(axes, 7.5, 3.8), np.random.default_rng(seed)
    from matplotlib.ticker import MaxNLocator

    quantiles, means, exact = balance_quantiles(mechanism, SHARES, rng, buyer)
    times = np.arange(len(means))
    axes.fill_between(times, quantiles[:, 0], quantiles[:, 4], color=OUTER, linewidth=0, label="90% of the probability")
    axes.fill_between(times, quantiles[:, 1], quantiles[:, 3], color=INNER, linewidth=0, label="half of it")
    axes.plot(times, means, color=BAR, linewidth=2.4, label="mean")
    few = len(times) <= 40
    for k, balance in enumerate(simulated_balances(mechanism, rng, paths, buyer).T if paths else ()):
        axes.plot(
            times,
            balance,
            color=INKS[k],
            linewidth=1.1,
            linestyle=STROKES[k],
            marker=MARKERS[k] if few else None,
            markersize=4,
            label=f"path {k + 1}",
        )
    whose = f" of buyer {buyer}" if mechanism.environment.agents > 1 else ""
    promised = isinstance(mechanism, PromisePolicy)
    axes.set_xlabel("period")
    axes.set_ylabel("promise on which sales depend" if promised else f"balance{whose} before the period")
    if not exact:
        axes.text(0.01, 0.99, f"bands from {SIMULATED:,} runs", transform=axes.transAxes, fontsize=8, va="top")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, "Promises over time" if promised else "Balances over time")


def price_path(
    mechanism: DynamicPivot | MarkovMechanism | SamplePath,
    axes: Axes | None = None,
    periods: int | None = None,
    seed: int = 0,
    values: bool = True,
) -> Axes:
    """Draw each agent's payments along one path of truthful reports, and what the action is worth to her.

    Parameters
    ----------
    mechanism : DynamicPivot, MarkovMechanism or SamplePath
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    periods : int, optional
        How many; default: all of a finite horizon, 20 of an infinite one. Of a path: all that it has.
    seed : int
        Of the types.
    values : bool
        Whether to draw values, as hollow marks.

    Returns
    -------
    matplotlib.axes.Axes
        Money of the period. An agent is marked in the periods in which she pays, gets something, or values the action;
        a line joins marks of consecutive periods.

    Raises
    ------
    InputError
        If there are not so many periods, or more than seven agents.
    """
    require_type(
        mechanism, ("DynamicPivot", "MarkovMechanism", "SamplePath"), "price_path", "give mo.dynamic_pivot(env)"
    )
    path = mechanism if isinstance(mechanism, SamplePath) else sample_path(mechanism, seed, periods)
    agents = path.environment.agents
    if agents > len(MARKERS):
        raise InputError(f"{agents} agents; colours and marks are for at most {len(MARKERS)}")
    axes, times = own_axes(axes, 7.5, 3.8), np.arange(len(path.action))
    from matplotlib.ticker import MaxNLocator

    size = 7.0 if len(times) <= 40 else 4.0
    for i, (colour, marker) in enumerate(zip(COLOURS[:agents], MARKERS, strict=False)):
        concerned = (path.value[:, i] != 0) | (np.abs(path.transfer[:, i]) > 1e-12)
        paid = np.where(concerned, path.transfer[:, i], np.nan)
        name = f"agent {path.environment.names[i]}"
        axes.plot(times, paid, color=colour, marker=marker, markersize=size, linewidth=1.4, label=f"{name} pays")
        if values:
            worth = np.where(concerned, path.value[:, i], np.nan)
            (line,) = axes.plot(times, worth, color=colour, marker=marker, markersize=size, linewidth=1.0)
            line.set(markerfacecolor="none", linestyle=":", label="her value")
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlabel("period")
    axes.set_ylabel("money of the period")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, "Payments along a path" + (" and values" if values else ""))
