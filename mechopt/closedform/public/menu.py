"""Constant prices that come from the virtual pivot of one buyer, and what each type makes of each contract.

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechopt.closedform.public.pivot import expected_at, public_virtual_pivot, setting_of
from mechopt.closedform.public.process import Program, Setting, Tables
from mechopt.core.numbers import FloatArray
from mechopt.environment.states.separable import SeparableStates

FAVOUR = 1e-8
"""Weight of the seller's profit in the buyer's choices: it breaks ties."""


class Menu(NamedTuple):
    """Contracts by report; utilities and what the seller earns by first state, contract and type (-inf, none)."""

    prices: tuple[float | None, ...]
    implements: bool
    utility: FloatArray
    earned: FloatArray
    bound: float


def public_menu(environment: SeparableStates, cost: float) -> Menu:
    """The price cost / alpha for every type who is served, and the upfront payments of the virtual pivot.

    Parameters
    ----------
    environment : SeparableStates
        One multiplicative buyer, actions keep and sell.
    cost : float
        Of a sale.
    """
    pivot = public_virtual_pivot(environment)
    setting = setting_of(environment)
    count, states = environment.initial_shape[0], len(environment.state_initial)
    utility = np.full((states, count, count), -np.inf)
    earned = np.full((states, count, count), -np.inf)
    prices: list[float | None] = [None] * count
    same = True
    free = Setting(
        setting.moves, [np.zeros_like(c) for c in setting.costs], setting.forbidden, setting.kernels, setting.discount
    )
    for (s, (report,)), found in pivot.after.items():
        weights = found.weights[0]
        if weights is None:
            continue
        price = cost / weights[0]
        prices[report] = price
        charge = np.array([0.0, price])
        served = Program(setting, (0,), {0: _weighted(environment, report, weights[0])})
        # later payments of the pivot are not these prices: the fee makes the truthful utility the same
        own = Program(free, (0,), {0: _priced(environment, report, charge)})
        fee = expected_at(environment, own.best[0][0], (0,), s) - found.utility[0]
        for k in range(count):
            buys = Program(free, (0,), {0: _favoured(_priced(environment, k, charge), charge, setting)})
            flow = _priced(environment, k, charge)
            gained = [buys.at_policy(t, row, 0) for t, row in enumerate(flow)]
            utility[s, report, k] = expected_at(environment, buys.total(gained), (0,), s) - fee
            net = [buys.at_policy(t, [charge - c for c in costs]) for t, costs in enumerate(setting.costs)]
            earned[s, report, k] = fee + expected_at(environment, buys.total(net), (0,), s)
        same &= _as_good(environment, served, own, s)
    return Menu(tuple(prices), same, utility, earned, pivot.bound)


def _weighted(environment: SeparableStates, report: int, alpha: float) -> Tables:
    return [[alpha * cell.value_tables[0][:, report] for cell in row] for row in environment.cells]


def _priced(environment: SeparableStates, k: int, charge: FloatArray) -> Tables:
    return [[cell.value_tables[0][:, k] - charge[:, None] for cell in row] for row in environment.cells]


def _favoured(tables: Tables, charge: FloatArray, setting: Setting) -> Tables:
    """The buyer's flows with a share of the seller's that breaks ties her way."""
    return [
        [table + FAVOUR * (charge - cost)[:, None] for table, cost in zip(row, costs, strict=True)]
        for row, costs in zip(tables, setting.costs, strict=True)
    ]


def _as_good(environment: SeparableStates, served: Program, own: Program, s: int) -> bool:
    """Whether what the buyer chooses is optimal for the weighted welfare: the same policy but for ties."""
    policy = own.best[1]
    rewards = []
    for t in range(served.setting.periods):
        flow = served.flow(t, (0,))
        rewards.append(np.take_along_axis(flow, np.expand_dims(policy[t], 1), axis=1)[:, 0])
    value = expected_at(environment, own.total(rewards), (0,), s)
    best = expected_at(environment, served.best[0][0], (0,), s)
    return abs(value - best) <= 1e-9 * max(1.0, abs(best))
