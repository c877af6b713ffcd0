r"""The claim that prices which do not change are optimal for one buyer, whatever the trend of her values.

Of an item a period at a constant cost c, values A(k) B_t(z, s): the virtual pivot serves type k where
alpha_k A_k B_t >= c, whatever t. Facing the price c / alpha_k in every period, so does the buyer by herself: her
problem is the virtual one divided by alpha_k. So a menu of pairs (price, upfront payment) implements its policy and is
optimal with a continuum of types (section 5.1). With finitely many the second half needs interval dominance (16): the
types have to choose the contracts that are meant for them, which is checked here by what each earns with each.

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.closedform.public.menu import public_menu
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import FloatArray
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates

CLOSE = 1e-9


@dataclass(frozen=True)
class ConstantPrices:
    """A menu of constant prices measured. Money is present value as of contracting, but for prices.

    Attributes
    ----------
    prices : tuple over types of float, or None where the type is left out
        In the money of the period, the same in all periods and public states.
    implements : bool
        Whether every type who is served buys under her own contract exactly what the virtual pivot gives her.
    utility : float array ``(state, contract, type)``
        What each contract is worth to each type who buys as is best for her, by first public state.
    chosen : bool
        Whether no type prefers another contract, or none, to her own: (16) and participation.
    profit : float
        What the menu earns where every type chooses for herself, ties the seller's way.
    bound : float
        (8): no mechanism earns more where virtual levels rise.
    attains : bool
        Whether the profit is the bound, so that the menu is optimal.
    """

    prices: tuple[float | None, ...]
    implements: bool
    utility: FloatArray
    chosen: bool
    profit: float
    bound: float
    attains: bool


def constant_prices(environment: SeparableTypes | SeparableStates) -> ConstantPrices:
    """Check that prices which do not change implement the virtual pivot's policy, and whether the menu attains (8).

    Parameters
    ----------
    environment : SeparableTypes or SeparableStates
        Finite horizon, one multiplicative buyer, two actions: one worth and costing nothing, and one that sells at a
        cost that is the same in all periods and public states.

    Raises
    ------
    InputError
        If it is not of that form.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 5.1.

    Examples
    --------
    Values that double; the price stays 4/3 for type 3 and is never offered to type 1, whose virtual level is negative.

    >>> from mechopt.environment.families.trending import trending_values
    >>> env = trending_values([1, 3], ["1/2", "1/2"], [1], [1], [[1]], [1, 2], cost="4/3")
    >>> found = constant_prices(env)
    >>> found.prices, found.implements, found.attains
    ((None, 1.3333333333333333), True, True)
    """
    require_type(
        environment,
        ("SeparableTypes", "SeparableStates"),
        "constant_prices",
        "give one, such as mo.load(model) of kind separable",
    )
    env = SeparableStates(environment) if isinstance(environment, SeparableTypes) else environment
    cells = [cell for row in env.cells for cell in row]
    first = cells[0]
    if first.agents > 1 or first.form[0] != "multiplicative" or len(first.actions) != 2:
        raise InputError("constant_prices: is for one multiplicative buyer and two actions, keep and sell")
    idle = all(not cell.value_tables[0][0].any() and cell.cost[0] == 0 for cell in cells)
    costs = {tuple(row) for period in env.state_costs for row in period.tolist()}
    if not idle or len(costs) > 1:
        fix = "the claim is about an item whose cost is the same in all periods and public states"
        raise InputError(f"constant_prices: action 0 must be worth and cost nothing, and costs be constant; {fix}")
    menu = public_menu(env, float(first.cost[1]))
    distribution, start = first.initial_probabilities[0], env.state_initial
    profit, chosen = 0.0, True
    for s in np.flatnonzero(start > 0):
        for k, share in enumerate(distribution):
            worth = np.append(menu.utility[s, :, k], 0.0)
            earned = np.append(menu.earned[s, :, k], 0.0)
            size = CLOSE * max(1.0, float(np.abs(worth[np.isfinite(worth)]).max()))
            own = worth[k] if np.isfinite(worth[k]) else 0.0
            chosen &= bool(worth.max() <= own + size)
            best = earned[worth >= worth.max() - size].max()
            profit += float(start[s] * share) * float(best)
    attains = abs(profit - menu.bound) <= CLOSE * max(1.0, abs(menu.bound))
    return ConstantPrices(menu.prices, menu.implements, menu.utility, chosen, profit, menu.bound, attains)
