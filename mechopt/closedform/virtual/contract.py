r"""The optimal contract for one buyer: a menu of upfront payments and prices, from which she chooses for herself.

The contracts are those of the virtual pivot (`VirtualPivot.menu`), or the same at other prices where these earn more:
of one item by `mechopt.closedform.virtual.menu.constant_prices`, of any number of actions by a linear program a report,
`mechopt.closedform.virtual.prices`, and with a finite horizon by period where prices that stay the same do not do.
Whatever the menu, the buyer takes what is best for her at contracting and
buys what is best for her in every period, so nothing has to be assumed about incentives: the profit is what the menu
earns. It equals the bound where these prices implement the policy of the virtual pivot; else it is below, and some
mechanism may earn more. `OptimalContract.reports` says for each report whether prices do, or whom none keep away.

Ties go the seller's way, at contracting and later.

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from mechopt.closedform.public.contract import PublicContract, public_contract
from mechopt.closedform.virtual.diagnosis import Contract
from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.menu import constant_prices, item_action, priced_contract
from mechopt.closedform.virtual.phase import Phase, WeightedChains, expected_first, later_chains, phase, signal_chains
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.closedform.virtual.prices import ReportPrices, closest_prices
from mechopt.core.errors import InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, IntArray, readonly
from mechopt.environment.process import joint_process
from mechopt.environment.require_kind import require_kind
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

FAVOUR = 1e-8
"""Weight of the seller's profit in the buyer's choices: it breaks ties."""


@dataclass(frozen=True, eq=False, repr=False)
class OptimalContract(MechanismMethods):
    """A menu and what each type makes of it. Money is present value as of contracting.

    Attributes
    ----------
    environment : SeparableTypes
    menu : tuple of Contract
    choice : read-only int array ``(type,)``
        Number of the contract that a type takes; -1 for none.
    utility : read-only float array ``(type,)``
    profit_by_type : read-only float array ``(type,)``
        Payments net of costs.
    bound : float
        Of the virtual pivot that the menu comes from.
    prices : tuple over contracts of read-only float arrays ``(action,)``, or ``(period, action)`` where they change
        Of every action, finite: as good as infinite where nobody is to buy.
    pivot : VirtualPivot
        What the menu comes from.
    """

    environment: SeparableTypes
    menu: tuple[Contract, ...]
    choice: IntArray
    utility: FloatArray
    profit_by_type: FloatArray
    bound: float
    prices: tuple[FloatArray, ...]
    pivot: VirtualPivot

    @cached_property
    def reports(self) -> tuple[ReportPrices, ...]:
        """For each included type, prices that implement the policy after her report, or come closest.

        Constant ones where these do, else by period where the horizon is finite; see
        `mechopt.closedform.virtual.prices`.
        """
        return tuple(closest_prices(self.pivot, int(k)) for k in np.flatnonzero(self.pivot.included[:, 0]))

    @cached_property
    def purchases(self) -> tuple[tuple[tuple[IntArray, ...], ...], ...]:
        """``purchases[c][k][t]``: what type k buys with contract c, ``(signal,)``; one period for ever."""
        env = self.environment
        found = []
        for price in self.prices:
            charged, rows = _by_period(env, price), []
            for k in range(env.initial_shape[0]):
                here = _use(env, signal_chains(env, [env.value_tables[0][:, k]]), charged)
                rows.append(tuple(np.broadcast_to(part, env.signal_shape) for part in here.policy))
            found.append(tuple(rows))
        return tuple(found)

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Bayesian IC and interim rationality, whatever the menu: the buyer chooses for herself."""
        return BayesianIC(), Interim()

    @property
    def profit(self) -> float:
        """Expected payments net of costs."""
        return float(self.environment.initial_probabilities[0] @ self.profit_by_type)

    @property
    def revenue(self) -> float:
        """The same as `profit`."""
        return self.profit

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of the buyer."""
        return (float(self.environment.initial_probabilities[0] @ self.utility),)

    @property
    def welfare(self) -> float:
        """Expected values net of costs."""
        return self.profit + self.utilities[0]

    @property
    def attains(self) -> bool:
        """Whether the profit is the bound, so that no mechanism earns more."""
        scale = max(1e-300, abs(self.bound), self.welfare)
        return self.bound - self.profit <= 100 * VERIFY_TOLERANCE * scale

    def to_mechanism(self) -> SequenceMechanism:
        """Write the menu as a direct mechanism at every public history of the unfolded environment.

        Returns
        -------
        SequenceMechanism
            On ``environment.to_markov(exclusion)``, with exclusion where some type takes no contract.

        Raises
        ------
        InputError
            If the horizon is infinite.
        """
        env = self.environment
        unfolded = env.to_markov(exclusion=bool((self.choice < 0).any()))
        tree = PublicTree(joint_process(unfolded))
        first = tree.own(0, 0)
        taken = self.choice[first] >= 0
        policy = [taken.astype(np.int64) if unfolded.action_counts[0] > 1 else np.zeros_like(first)]
        upfront = np.array([*(offer.upfront for offer in self.menu), 0.0])
        payment = [upfront[self.choice[first]][np.newaxis]]
        values, root = unfolded.values[0][1], np.arange(len(first))
        use = [_use(env, later_chains(unfolded, [values]), _by_period(env, p)) for p in self.prices]
        for t in range(1, tree.horizon):
            node, _ = tree.came(t)
            root = root[node[tree.slot[t]]]
            actions = np.full(tree.count[t], int(env.cost.argmin()))
            paid = np.zeros(tree.count[t])
            charged = [_by_period(env, price)[t - 1] for price in self.prices]
            for c, (here, price) in enumerate(zip(use, charged, strict=True)):
                nodes = np.flatnonzero(self.choice[first[root]] == c)
                actions[nodes] = here.policy[t - 1][tree.own(t, 0)[nodes]]
                paid[nodes] = price[actions[nodes]]
            policy.append(actions)
            payment.append(paid[np.newaxis])
        return SequenceMechanism.of_policy(tree, policy, payment, self.claims, "optimal contract")

    def __repr__(self) -> str:
        kept = "the bound" if self.attains else f"below the bound {self.bound:.6g}"
        count = f"{len(self.menu)} contract{'s' * (len(self.menu) != 1)}"
        return f"OptimalContract({count}; profit {self.profit:.6g}, {kept})"


@overload
def optimal_contract(environment: SeparableTypes, ironed: bool = True) -> OptimalContract: ...
@overload
def optimal_contract(environment: SeparableStates, ironed: bool = True) -> PublicContract: ...
def optimal_contract(
    environment: SeparableTypes | SeparableStates, ironed: bool = True
) -> OptimalContract | PublicContract:
    """Build the menu of contracts for one buyer.

    Parameters
    ----------
    environment : SeparableTypes, or SeparableStates with tables by period and public state
        With one agent; separable, as `virtual_pivot` needs it.
    ironed : bool
        Whether virtual levels that fall are ironed.

    Returns
    -------
    OptimalContract, or PublicContract of `SeparableStates`
        Its prices depend on the period and the public state.

    Raises
    ------
    InputError
        If there are several agents, or the theorem does not apply.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 5.1.

    Examples
    --------
    Types 1, 2, 3 and signals 1/2, 2, all even, cost 3/5. Virtual levels are -1, 1, 3: type 2 buys at signal 2 only. At
    the published price 6/5 type 3 would take her contract; at 4, with nothing upfront, not, and type 1 buys nothing.

    >>> third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    >>> env = SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, "3/5"], horizon=1)
    >>> best = optimal_contract(env)
    >>> best, best.choice
    (OptimalContract(2 contracts; profit 1.28333, the bound), array([0, 0, 1]))
    """
    if isinstance(environment, SeparableStates):
        return public_contract(environment, ironed)
    require_kind(environment, "separable", "optimal_contract")
    if environment.agents > 1:
        raise InputError(f"a menu of contracts is for one agent, not {environment.agents}; use virtual_pivot")
    pivot = virtual_pivot(environment, ironed)
    offered = _offered(pivot, pivot.menu)
    if pivot.regime != "a" and constant_prices(pivot)[0]:
        offered = max(offered, _offered(pivot, constant_prices(pivot)[0]), key=lambda contract: contract.profit)
    if offered.attains:
        return offered
    reports = offered.reports
    menu = tuple(priced_contract(pivot, found) for found in reports)
    return max(offered, _offered(pivot, menu), key=lambda contract: contract.profit)


def _offered(pivot: VirtualPivot, menu: tuple[Contract, ...]) -> OptimalContract:
    """Revenue of a menu."""
    environment, prices = pivot.environment, tuple(_prices(pivot, offer) for offer in menu)
    types = range(environment.initial_shape[0])
    utility, profit = np.zeros((len(menu) + 1, len(types))), np.zeros((len(menu) + 1, len(types)))
    profit[-1] = _idle_profit(pivot)
    for c, (offer, price) in enumerate(zip(menu, prices, strict=True)):
        charged = _by_period(environment, price)
        for k in types:
            values = environment.value_tables[0][:, k]
            here = _use(environment, signal_chains(environment, [values]), charged)
            picked = zip(charged, here.policy, strict=True)
            paid = [price_now[policy] for price_now, policy in picked]
            worth, cost = here.at_policy(values, 0), here.at_policy(environment.cost)
            gained = here.total(tuple(v - p for v, p in zip(worth, paid, strict=True)))
            earned = here.total(tuple(p - c for p, c in zip(paid, cost, strict=True)))
            utility[c, k] = expected_first(environment, [0], gained) - offer.upfront
            profit[c, k] = expected_first(environment, [0], earned) + offer.upfront
    best = (utility + FAVOUR * profit).argmax(axis=0)
    chosen = (best, np.arange(len(types)))
    return OptimalContract(
        environment,
        menu,
        readonly(np.where(best == len(menu), -1, best), np.int64),
        readonly(utility[chosen]),
        readonly(profit[chosen]),
        pivot.bound,
        prices,
        pivot,
    )


def _idle_profit(pivot: VirtualPivot) -> float:
    """Profit of the cheapest action where there is no buyer: minus its cost in all periods."""
    env = pivot.environment
    zero = signal_chains(env, [np.zeros_like(env.value_tables[0][:, 0])])
    here = phase(zero, [])
    return -expected_first(env, [], here.total(here.at_policy(env.cost)))


def _prices(pivot: VirtualPivot, offer: Contract) -> FloatArray:
    """Prices of all actions of a contract, ``(action,)`` or ``(period, action)``."""
    if isinstance(offer.price, tuple):
        return readonly(offer.price)
    prices = np.zeros(len(pivot.environment.actions))
    values = pivot.environment.value_tables[0]
    prices[item_action(pivot)] = min(offer.price, 2 * float(np.abs(values).max()) + 1)
    return readonly(prices)


def _by_period(environment: SeparableTypes, price: FloatArray) -> tuple[FloatArray, ...]:
    """Prices ``(action,)`` of each allocation period; one with an infinite horizon."""
    if price.ndim == 2:
        return tuple(price)
    return (price,) * (1 if isinstance(environment.horizon, str) else environment.horizon)


def _use(environment: SeparableTypes, chains: WeightedChains, prices: tuple[FloatArray, ...]) -> Phase:
    """Use that the buyer makes of a contract: flows carry prices, and the share of the seller's that breaks ties."""
    values = tuple(
        table - price[:, None] + FAVOUR * (price - environment.cost)[:, None]
        for table, price in zip(chains.values[0], prices, strict=True)
    )
    free = tuple(np.zeros_like(cost) for cost in chains.costs)
    return phase(WeightedChains((values,), chains.kernel, free, environment.discount, chains.infinite), [0])
