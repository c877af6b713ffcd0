"""Pictures of proofs on an instance: charging by path, the loss of the asymptotic mechanism, what a price is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import require_type
from mechopt.show.figures.axes import own_axes
from mechopt.show.figures.comparison import BAR, MARK
from mechopt.study.lemmas.trade_off import gap_bound, price_trade_off

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechopt.study.lemmas.charging import Charging
    from mechopt.study.lemmas.throttling import ThrottlingLoss

PALE = "#9fb1d6"
TRADE_OFF_POINTS = 400


def charging_paths(charging: Charging, axes: Axes | None = None) -> Axes:
    """Draw how the optimum's spends are covered on every path of reports: a step a path, as wide as the path is likely.

    Parameters
    ----------
    charging : Charging
        From `mechopt.lemmas.charging`.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
        From below: spends of the balance mechanism (twice, with several buyers) and the share of second-highest values;
        the line is the share of the optimum's spends that they are to cover. Paths by slack, least first; the title
        has how much of what is paid beyond spends Myerson's auction covers.
    """
    require_type(charging, "Charging", "charging_paths", "give what mo.lemmas.charging gives")
    axes = own_axes(axes, 7.0, 4.0)
    order = np.argsort(charging.left, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(charging.reach[order])])
    twice = 1 if charging.environment.agents == 1 else 2
    spends = twice * charging.spends[order]
    second = charging.share * charging.second[order]
    claimed = charging.share * charging.optimal_spends[order]
    label = "spends" if twice == 1 else "spends, twice"
    axes.stairs(spends, edges, fill=True, color=BAR, label=label)
    if charging.environment.agents > 1:
        axes.stairs(spends + second, edges, baseline=spends, fill=True, color=PALE, label="second-price auction")
    axes.stairs(claimed, edges, color=MARK, linewidth=1.8, baseline=None, label="share of the optimum's spends")
    paid, claim, cover = charging.covered["paid"]
    axes.set_title(
        f"paid beyond spends: {paid:.4g}, of which {claim:.4g} is claimed and {cover:.4g} covered by Myerson's auction",
        fontsize=9,
    )
    axes.set_xlabel("paths of reports, by probability; least slack first")
    axes.set_ylabel("present value")
    axes.set_xlim(0.0, 1.0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def asymptotic_losses(loss: ThrottlingLoss, axes: Axes | None = None) -> Axes:
    """Loss of the asymptotic mechanism per period against the horizon, with the bounds of Theorem F.1's proof.

    Parameters
    ----------
    loss : ThrottlingLoss
        From `mechopt.lemmas.asymptotic_loss`.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
        The bound of numbers alone is drawn where it is below ten times first best.
    """
    require_type(loss, "ThrottlingLoss", "asymptotic_losses", "give mo.lemmas.asymptotic_loss(env)")
    axes = own_axes(axes, 7.0, 4.0)
    periods = np.arange(1, loss.environment.horizon + 1)
    axes.plot(periods, loss.loss / periods, color=BAR, linewidth=1.8, label="loss")
    axes.plot(
        periods, loss.filling / periods, color=BAR, linewidth=1.0, linestyle=":", label="given away in plain ones"
    )
    axes.plot(periods, loss.split_bound / periods, color=MARK, linewidth=1.2, linestyle="--", label="bound (F.2)")
    axes.plot(periods, loss.azuma_bound / periods, color=MARK, linewidth=1.2, label="bound (F.2), Azuma")
    printed = loss.proof_bound / periods
    shown = printed <= 10 * np.cumsum(loss.welfare) / periods
    if shown.any():
        axes.plot(periods[shown], printed[shown], color="#888888", linewidth=1.0, label="bound of numbers alone")
    if periods[-1] >= 20:
        axes.set_xscale("log")
    axes.set_xlabel("number of periods")
    axes.set_ylabel("loss / number of periods")
    axes.set_ylim(bottom=0.0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def price_trade_off_curve(mu: float, epsilon: float = 0.0, axes: Axes | None = None) -> Axes:
    """The sum of both ratios against the price of the first period, in Theorem 5.1's family.

    Parameters
    ----------
    mu, epsilon : float
        As for `mechopt.lemmas.price_trade_off`.
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).

    Returns
    -------
    matplotlib.axes.Axes
        With the largest sum, and the 1 + 2/mu that the proof bounds it by.
    """
    bound = gap_bound(mu, epsilon)
    top = np.exp(mu**2)
    prices = np.minimum(np.expm1(np.linspace(0.0, np.log1p(mu * top), TRADE_OFF_POINTS)) / mu, top)
    values = price_trade_off(mu, prices, epsilon)
    axes = own_axes(axes, 7.0, 4.0)
    axes.plot(mu * prices + 1, values, color=BAR, linewidth=1.8, label="sum of ratios")
    axes.axhline(bound.beta, color=MARK, linewidth=1.2, linestyle="--", label=f"largest: {bound.beta:.4g}")
    axes.axhline(
        2 * bound.printed, color="#888888", linewidth=1.0, linestyle=":", label=f"1 + 2/mu = {2 * bound.printed:.4g}"
    )
    axes.set_xscale("log")
    axes.set_xlabel("1 + mu times the price")
    axes.set_ylabel("sum of both ratios, at most")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
