r"""One buyer under the virtual pivot: a menu of contracts, and whether any payments implement the policy.

With one agent the payments (22) are prices of actions, the same in every period and at every signal: an action costs
``(c(a) - min c - beta_k(a)) / alpha_k`` after report k. So the mechanism is a menu: choose k, pay upfront, then buy
what you like at these prices. With one item to sell at cost g that is a price p = g / alpha_k and an upfront M(p).

With finitely many types a price is pinned down only between what the last rejected and the first accepted signal are
worth to type k; any price P in between sells alike to her, but to a type j that chooses k's contract it is worth ::

    U_k + E sum_t d^t [ (v_j - P)^+ - (v_k - P)^+ ]

Where the published price lets some j gain, a higher one may deter her (regime b), or none (regime c: with one
allocation period no other payments exist; the optimum lies below the bound, by an ex post information rent).

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.1; regimes b and c do not arise with a continuum of types.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mechopt.closedform.virtual.diagnosis import Contract, Diagnosis
from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.prices import ReportPrices, closest_prices
from mechopt.core.errors import InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, readonly


def contracts(pivot: VirtualPivot) -> tuple[FloatArray, tuple[Contract, ...]]:
    """Prices by initial type and action, and the menu; see `VirtualPivot.menu`."""
    env = pivot.environment
    if env.agents > 1:
        raise InputError(f"a menu of contracts is for one agent, not {env.agents}; see VirtualPivot.payment")
    virtual, prices = pivot.virtual[0], np.full((env.initial_shape[0], len(env.actions)), np.nan)
    for k in np.flatnonzero(pivot.included[:, 0]):
        prices[k] = (env.cost - env.cost.min() - virtual.beta[k]) / virtual.alpha[k]
    item = item_action(pivot)
    offered = []
    for k in np.flatnonzero(pivot.included[:, 0]):
        price = prices[k].tolist()
        offered.append(Contract(tuple(price) if item is None else price[item], float(pivot.upfront[0][k])))
    return readonly(prices), _each_once(offered)


def _each_once(offered: list[Contract]) -> tuple[Contract, ...]:
    """Contracts without those that are the same as the one before."""
    kept: list[Contract] = []
    for offer in offered:
        if not kept or not _same(offer, kept[-1]):
            kept.append(offer)
    return tuple(kept)


def _same(offer: Contract, other: Contract) -> bool:
    return bool(
        np.shape(offer.price) == np.shape(other.price)
        and np.allclose(offer.price, other.price, rtol=1e-12, atol=1e-12)
        and np.isclose(offer.upfront, other.upfront, rtol=1e-12, atol=1e-12)
    )


def item_action(pivot: VirtualPivot) -> int | None:
    """The action that sells, where the only other one is worth nothing, unpriced, and costs least; else None.

    Parameters
    ----------
    pivot : VirtualPivot
        With one agent.
    """
    env = pivot.environment
    for null in (0, 1) if len(env.actions) == 2 else ():
        idle = not env.value_tables[0][null].any() and not pivot.virtual[0].beta[:, null].any()
        if idle and env.cost[null] <= env.cost[1 - null]:
            return 1 - null
    return None


def diagnosis(pivot: VirtualPivot) -> Diagnosis:
    """Say in which regime a virtual pivot is.

    Parameters
    ----------
    pivot : VirtualPivot
    """
    env, gain = pivot.environment, pivot.contracting_gain
    slack = VERIFY_TOLERANCE * max(1e-300, *(float(np.abs(worth).max()) for worth in pivot.allocation_welfare))
    if gain <= slack:
        return Diagnosis("a", "interval dominance (16) holds", gain, pivot.menu if env.agents == 1 else ())
    published = f"a type gains {gain:.6g} by misreporting at contracting under the published payments"
    if pivot.ironed_bound < pivot.bound - slack:
        reason = f"virtual levels fall: no mechanism earns more than their ironed bound {pivot.ironed_bound:.6g}"
        return Diagnosis("c", reason, gain)
    menu, undeterred = constant_prices(pivot)
    if menu and not undeterred:
        return Diagnosis("b", f"{published}; the prices of this menu implement the policy", gain, menu)
    if pivot.direct_gain <= slack:
        reason = f"{published}, but nothing if initial reports cannot be taken back later, by reporting another type"
        return Diagnosis("b", reason, gain)
    if undeterred and env.horizon == 1 and not any(_tied(pivot, k) for k in range(env.initial_shape[0])):
        reason = f"{published}, and no price after the reports {list(undeterred)} deters every other type"
        return Diagnosis("c", reason, gain, (), undeterred)
    found = [closest_prices(pivot, int(k)) for k in np.flatnonzero(pivot.included[:, 0])] if env.agents == 1 else []
    if found and all(prices.implements for prices in found):
        offers = _each_once([priced_contract(pivot, prices) for prices in found])
        changing = "that change over periods " if any(prices.by_period for prices in found) else ""
        return Diagnosis("b", f"{published}; prices {changing}of this menu implement the policy", gain, offers)
    failing = tuple(prices.report for prices in found if not prices.implements)
    if failing and env.horizon == 1 and not any(_tied(pivot, k) for k in range(env.initial_shape[0])):
        reason = f"{published}, and no prices after the reports {list(failing)} deter every other type"
        return Diagnosis("c", reason, gain, (), failing)
    kinds = "constant prices" if env.infinite or env.horizon == 1 else "constant prices, and none by period,"
    constant = f"no {kinds} implement the policy after the reports {list(failing)}, and " if failing else ""
    return Diagnosis("b or c", f"{published}; {constant}whether any payments do takes a program", gain)


def priced_contract(pivot: VirtualPivot, found: ReportPrices) -> Contract:
    """Write prices after a report as a contract.

    Parameters
    ----------
    pivot : VirtualPivot
    found : ReportPrices
    """
    item = item_action(pivot)
    if found.by_period:
        return Contract(tuple(map(tuple, found.price.tolist())), found.upfront)
    return Contract(tuple(found.price.tolist()) if item is None else float(found.price[item]), found.upfront)


def _tied(pivot: VirtualPivot, k: int) -> bool:
    """Whether another policy is as good after the report k, so that what this one cannot have another may."""
    return any(bool(np.asarray(flag).any()) for flag in pivot.phase((k,)).tied)


def constant_prices(pivot: VirtualPivot) -> tuple[tuple[Contract, ...], tuple[int, ...]]:
    """Find a menu of prices of one item that implements the policy, and stays the same in all periods.

    Parameters
    ----------
    pivot : VirtualPivot

    Returns
    -------
    tuple of Contract
        Empty where there is not one agent and one item, or actions move signals.
    tuple of int
        Types whose contract there tempts others at every price.
    """
    env = pivot.environment
    item = item_action(pivot) if env.agents == 1 and not env.controlled else None
    if item is None:
        return (), ()
    values, times = env.value_tables[0][item], _times(pivot)
    bought = [np.broadcast_to(pivot.phase((k,)).policy[0] == item, len(times)) for k in range(len(values))]
    prices, undeterred = deterring_prices(values, times, np.array(bought) & pivot.included[:, :1], pivot.utility[0])
    menu = []
    for k in np.flatnonzero(pivot.included[:, 0]):
        upfront = float(times @ np.maximum(values[k] - prices[k], 0.0)) - float(pivot.utility[0][k])
        menu.append(Contract(float(prices[k]), upfront))
    return _each_once(menu), undeterred


def _times(pivot: VirtualPivot) -> FloatArray:
    """Expected discounted number of periods at each signal, where no action moves it."""
    env = pivot.environment
    first, kernel, d = env.discount * env.signal_initial[0], env.signal_kernel[0][0], env.discount
    if isinstance(env.horizon, str):
        endless: FloatArray = np.linalg.solve(np.eye(len(first)) - d * kernel.T, first)
        return endless
    total, now = np.zeros_like(first), first
    for _ in range(env.horizon):
        total, now = total + now, d * (now @ kernel)
    return total


def deterring_prices(
    values: FloatArray, times: FloatArray, sold: npt.NDArray[np.bool_], utility: FloatArray
) -> tuple[FloatArray, tuple[int, ...]]:
    """Find prices that sell alike to the type they are for, and that keep every other type away.

    Parameters
    ----------
    values : array ``(type, signal)``
        Nondecreasing in the type.
    times : array ``(signal,)``
        Expected discounted number of periods at each signal.
    sold : bool array ``(type, signal)``
        To whom the item goes: where it does, to the signals of higher value.
    utility : array ``(type,)``
        U.

    Returns
    -------
    array ``(type,)``
        The highest such price, or the one that tempts others least where there is none; infinite for a type that never
        buys.
    tuple of int
        Types for which there is none.

    Examples
    --------
    Types worth 1 and 2 at signal 0, 2 and 4 at signal 1; the low type is to buy at signal 1 only. At her published
    price 1 the high type would buy at both signals and get 1/2 + 3/2 less what the low type gets, 1/2; at price 2 it is
    0 + 1, her rent.

    >>> values, sold = np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([[False, True], [True, True]])
    >>> deterring_prices(values, np.array([0.5, 0.5]), sold, np.array([0.0, 1.0]))
    (array([2., 2.]), ())
    """
    likely = times > 0
    values, times, sold = values[:, likely], times[likely], sold[:, likely]
    slack = VERIFY_TOLERANCE * max(1e-300, float(np.abs(values).max() * times.sum()))
    points = np.unique(values)
    worth = np.maximum(values[:, None, :] - points[:, None], 0.0) @ times  # axes: type, price
    prices, undeterred = np.full(len(values), np.inf), []
    for k in np.flatnonzero(sold.any(axis=1)):
        low = values[k][~sold[k]].max(initial=points[0])
        high = values[k][sold[k]].min()
        excess = worth - worth[k] + utility[k] - utility[:, None]
        inside = points[(points > low) & (points < high)]
        grid = _with_crossings(points, excess, np.concatenate([[low], inside, [high]]))
        over = np.array([np.interp(grid, points, row) for row in excess]).max(axis=0)
        fits = np.flatnonzero(over <= slack)
        if not fits.size:
            undeterred.append(int(k))
        prices[k] = grid[fits[-1] if fits.size else over.argmin()]
    return prices, tuple(undeterred)


def _with_crossings(points: FloatArray, excess: FloatArray, grid: FloatArray) -> FloatArray:
    """Refine a grid by where any of several functions, linear between its points, changes sign."""
    found = [grid]
    for row in excess:
        at = np.interp(grid, points, row)
        left, right = at[:-1], at[1:]
        cross = (left * right < 0) & (np.diff(grid) > 0)
        found.append((grid[:-1] + left / np.where(cross, left - right, 1.0) * np.diff(grid))[cross])
    return np.unique(np.concatenate(found))
