r"""One buyer whose tables change by period and public state: a menu of prices that change with them.

After the report k' at a first state s_0 the buyer pays a fee, and then chooses freely at prices p_t(a, s). The profit
of the virtual pivot leaves type k the rent U_k(s_0), so that reports decouple, as in
`mechopt.closedform.virtual.prices`: the policy a* is implemented if with V what type k makes of the prices

    V_t(s, k, z)  >= v_t(a, k, z, s) - p_t(a, s) + d E[V_{t+1}(s', k, z') | a, z, s]
    V_t(s, k', z)  = the same at a = a*_t(s, z), where a* leads to (s, z)
    d mu.(V_1(s_0, k) - V_1(s_0, k')) <= U_k - U_k' + epsilon

has a solution of epsilon = 0; then the fee is d mu.V_1(s_0, k') - U_k'. What a price on a state would do a price on the
actions before does, so that one action is free in every period and state. The first offer is the virtual pivot's own
payments (22), which are such prices.

Source: after Kakade, Lobel and Nazerzadeh (2013), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.public.mechanism import PublicPivot
from mechopt.closedform.public.pivot import public_virtual_pivot, setting_of
from mechopt.closedform.public.process import Program, Setting
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, readonly
from mechopt.environment.process import joint_process
from mechopt.environment.states.separable import SeparableStates
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import BayesianIC, Constraint, Interim
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.sequence import SequenceMechanism

TIE = 1e-9
"""What counts as equally good to the buyer, relative to the largest amounts: such ties go the seller's way."""
MAX_ROWS = 500_000
"""Largest number of inequalities of one report's program."""


class PublicOffer(NamedTuple):
    """A contract for one first state and report.

    Attributes
    ----------
    state, report : int
    price : read-only float array ``(period, state, action)``
        Money of the period.
    upfront : float
        At contracting.
    excess : float
        What some type gains by taking this contract, of prices from a program at least at any prices: 0 where these
        implement the policy.
    """

    state: int
    report: int
    price: FloatArray
    upfront: float
    excess: float


@dataclass(frozen=True, eq=False, repr=False)
class PublicContract(MechanismMethods):
    """A menu by first public state, and what each type makes of it. Money is present value as of contracting.

    Attributes
    ----------
    environment : SeparableStates
    menu : tuple of PublicOffer
    choice : read-only int array ``(state, type)``
        Number of the contract that a type takes; -1 for none.
    utility, profit_by_type : read-only float arrays ``(state, type)``
    bound : float
        Of the virtual pivot that the menu comes from.
    """

    environment: SeparableStates
    menu: tuple[PublicOffer, ...]
    choice: Any
    utility: FloatArray
    profit_by_type: FloatArray
    bound: float

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Bayesian IC and interim rationality, whatever the menu: the buyer chooses for herself."""
        return BayesianIC(), Interim()

    @property
    def source(self) -> str:
        """How it came about."""
        return "menu of contracts by public state"

    def _mean(self, table: FloatArray) -> float:
        return float(self.environment.state_initial @ table @ self.environment.cells[0][0].initial_probabilities[0])

    @property
    def profit(self) -> float:
        """Expected payments net of costs."""
        return self._mean(self.profit_by_type)

    @property
    def revenue(self) -> float:
        """The same as `profit`."""
        return self.profit

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected utility of the buyer."""
        return (self._mean(self.utility),)

    @property
    def welfare(self) -> float:
        """Expected values net of costs."""
        return self.profit + self.utilities[0]

    @property
    def attains(self) -> bool:
        """Whether the profit is the bound, so that no mechanism earns more."""
        scale = max(1e-300, abs(self.bound), self.welfare)
        return self.bound - self.profit <= 100 * VERIFY_TOLERANCE * scale

    @cached_property
    def implements(self) -> bool:
        """Whether prices of every contract implement the virtual pivot's policy."""
        return all(offer.excess == 0.0 for offer in self.menu)

    def to_mechanism(self) -> SequenceMechanism:
        """Write the menu as a direct mechanism at every public history.

        Raises
        ------
        InputError
            If some type takes no contract and the unfolded environment has no way to leave her out.
        LimitError
            If there are too many histories.
        """
        env = self.environment
        tree = PublicTree(joint_process(env))
        excluded = env.base.action_counts[0] > 1
        idle = _idle(setting_of(env))
        if not excluded and (self.choice < 0).any() and not _worthless(env, idle):
            raise InputError("a type takes no contract, and the unfolded environment has no way to leave her out")
        types, private = env.initial_shape[0], env.base.shape[1][0]
        count = types * env.cells[0][0].signal_shape[0]
        first = tree.own(0, 0)
        taken = self.choice[first // types, first % types]
        policy = [np.where(taken >= 0, 1, 0) if excluded else np.zeros(tree.count[0], dtype=np.int64)]
        payment = [np.array([[self.menu[c].upfront if c >= 0 else 0.0 for c in taken]])]
        roots = taken
        buys = [_buys(env, offer.price) for offer in self.menu]
        for t in range(1, tree.horizon):
            node, _ = tree.came(t)
            roots = roots[node[tree.slot[t]]]
            state, pair = tree.own(t, 0) // private, np.minimum(tree.own(t, 0) % private, count - 1)
            chosen = idle.best[1][t - 1][state].copy()
            paid = np.zeros((1, tree.count[t]))
            for c, offer in enumerate(self.menu):
                own = roots == c
                chosen[own] = buys[c].policy[t - 1][state[own], pair[own]]
                paid[0, own] = offer.price[t - 1, state[own], chosen[own]]
            policy.append(chosen)
            payment.append(paid)
        return SequenceMechanism.of_policy(tree, policy, payment, self.claims, self.source)

    def __repr__(self) -> str:
        words = ", the bound" if self.attains else f", bound {self.bound:.6g}"
        return f"PublicContract({len(self.menu)} contracts; profit {self.profit:.6g}{words})"


def public_contract(environment: SeparableStates, ironed: bool = False) -> PublicContract:
    """Build the menu of contracts for one buyer; see `mechopt.optimal_contract`.

    Parameters
    ----------
    environment : SeparableStates
        Of one agent.
    ironed : bool
    """
    if environment.agents > 1:
        raise InputError(f"a menu of contracts is for one agent, not {environment.agents}; use virtual_pivot")
    pivot = public_virtual_pivot(environment, ironed)
    included = {key: found for key, found in pivot.after.items() if found.members}
    published = tuple(_published(pivot, s, k) for s, (k,) in included)
    offered = _offered(pivot, published)
    if offered.attains:
        return offered
    found = tuple(_report_prices(pivot, s, k) for s, (k,) in included)
    return max(offered, _offered(pivot, found), key=lambda contract: contract.profit)


def _idle(setting: Setting) -> Program:
    """The seller alone."""
    return Program(setting, (), {})


def _worthless(env: SeparableStates, idle: Program) -> bool:
    """Whether what the seller does alone is worth nothing to the buyer."""
    return not any(
        cell.value_tables[0][int(idle.best[1][t][s])].any()
        for t, row in enumerate(env.cells)
        for s, cell in enumerate(row)
    )


def _flat(table: FloatArray) -> FloatArray:
    return table.reshape(len(table), -1)


class _Use(NamedTuple):
    """What the buyer does with prices: by period, arrays ``(state, pair of initial type and signal)``."""

    policy: list[Any]
    own: list[FloatArray]
    seller: list[FloatArray]


def _buys(env: SeparableStates, price: FloatArray) -> _Use:
    """Best responses to prices; of actions that are as good for the buyer the best one for the seller."""
    setting = setting_of(env, pairs=True)
    ruled = setting.forbidden.T[:, :, None]
    found = _Use([], [], [])
    size = max(float(np.abs(price).max()), *(float(np.abs(c.value_tables[0]).max()) for row in env.cells for c in row))
    for t in reversed(range(len(env.cells))):
        own = np.stack([_flat(c.value_tables[0]) - price[t, s][:, None] for s, c in enumerate(env.cells[t])])
        seller = np.broadcast_to((price[t] - env.state_costs[t])[:, :, None], own.shape)
        if found.own:
            own = own + setting.discount * setting.ahead(found.own[-1], (0,), t)
            seller = seller + setting.discount * setting.ahead(found.seller[-1], (0,), t)
        own = np.where(ruled, -np.inf, own)
        best = own.max(axis=1, keepdims=True)
        chosen = np.where(own >= best - TIE * size, seller, -np.inf).argmax(axis=1)[:, None]
        found.policy.append(chosen[:, 0])
        found.own.append(np.take_along_axis(own, chosen, axis=1)[:, 0])
        found.seller.append(np.take_along_axis(seller, chosen, axis=1)[:, 0])
    return _Use(*(part[::-1] for part in found))


def _offered(pivot: PublicPivot, menu: tuple[PublicOffer, ...]) -> PublicContract:
    """What a menu earns."""
    env = pivot.environment
    states, types, signals = len(env.state_initial), env.initial_shape[0], env.cells[0][0].signal_shape[0]
    mu, d = env.cells[0][0].signal_initial[0], env.discount
    idle = _idle(setting_of(env))
    utility = np.full((states, len(menu) + 1, types), -np.inf)
    profit = np.zeros((states, len(menu) + 1, types))
    utility[:, -1] = 0.0
    profit[:, -1] = d * np.asarray(idle.best[0][0]).reshape(states, 1)
    for c, offer in enumerate(menu):
        use, at = _buys(env, offer.price), offer.state
        utility[at, c] = d * use.own[0][at].reshape(types, signals) @ mu - offer.upfront
        profit[at, c] = d * use.seller[0][at].reshape(types, signals) @ mu + offer.upfront
    size = float(np.abs(utility[np.isfinite(utility)]).max()) + float(np.abs(profit).max())
    as_good = utility >= utility.max(axis=1, keepdims=True) - TIE * size
    best = np.where(as_good, profit, -np.inf).argmax(axis=1)
    rows, columns = np.indices(best.shape)
    return PublicContract(
        env,
        menu,
        readonly(np.where(best == len(menu), -1, best), np.int64),
        readonly(utility[rows, best, columns]),
        readonly(profit[rows, best, columns]),
        pivot.bound,
    )


def _published(pivot: PublicPivot, s: int, k: int) -> PublicOffer:
    """The payments (22) of the virtual pivot as prices of all actions."""
    env, found = pivot.environment, pivot.after[s, (k,)]
    setting = setting_of(env)
    idle, own = _idle(setting), found.weights[0]
    assert own is not None
    alpha, beta = own
    rows = []
    for t, costs in enumerate(env.state_costs):
        alone = idle.best[0][t]
        price = alone.reshape(-1, 1) + costs - np.stack(list(beta[t]))
        if t + 1 < len(env.cells):
            price = price - env.discount * setting.ahead(idle.best[0][t + 1], (), t)
        rows.append(price / alpha)
    gain = float(pivot.gains[s, 0, (k,)].max())
    gain = 0.0 if gain <= VERIFY_TOLERANCE * max(abs(found.bound), abs(found.values), 1e-300) else gain
    return PublicOffer(s, k, readonly(np.stack(rows)), found.upfront[0], gain)


def _report_prices(pivot: PublicPivot, s0: int, report: int) -> PublicOffer:
    """Prices that implement the policy after a report, or come closest."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    env, setting = pivot.environment, setting_of(pivot.environment)
    cells, d = env.cells, env.discount
    stages, states, types = len(cells), len(env.state_initial), env.initial_shape[0]
    signals, actions = cells[0][0].signal_shape[0], len(cells[0][0].actions)
    if stages * states * types * signals * actions > MAX_ROWS:
        raise LimitError(
            f"prices of a report take {stages * states * types * signals * actions:,} inequalities, above "
            f"{MAX_ROWS:,}; use fewer periods, states, types, signals or actions"
        )
    scale = max(1e-300, *(float(np.abs(c.value_tables[0]).max()) for row in cells for c in row))
    policy = pivot.program(pivot.after[s0, (report,)]).best[1]
    reached = _reached(env, setting, policy, s0, report)
    value = np.arange(stages * states * types * signals).reshape(stages, states, types, signals)
    price = value.size + np.arange(stages * states * actions).reshape(stages, states, actions)
    width = value.size + price.size + 1
    rows, columns, entries, right, equal = list[int](), list[int](), list[float](), list[float](), list[bool]()

    def add(number: int, places: list[int], coefficients: list[float]) -> None:
        rows.extend([number] * len(places))
        columns.extend(places)
        entries.extend(coefficients)

    for t, s, a in np.ndindex(stages, states, actions):
        if setting.forbidden[a, s]:
            continue
        for k, z in np.ndindex(types, signals):
            number = len(right)
            add(number, [int(value[t, s, k, z]), int(price[t, s, a])], [-1.0, -1.0])
            if t + 1 < stages:
                chance = np.multiply.outer(setting.moves[a, s], setting.kernels[0][t][s][a, z])
                for to, y in zip(*np.nonzero(chance), strict=True):
                    add(number, [int(value[t + 1, to, k, y])], [d * float(chance[to, y])])
            right.append(-float(cells[t][s].value_tables[0][a, k, z]) / scale)
            obeys = k == report and bool(reached[t][s, z]) and int(policy[t][s, k * signals + z]) == a
            equal.append(obeys)
    rent = [pivot.after[s0, (k,)].utility[0] / scale for k in range(types)]
    mu = cells[0][0].signal_initial[0]
    for k in range(types):
        if k != report:
            places = [*value[0, s0, k].tolist(), *value[0, s0, report].tolist(), width - 1]
            add(len(right), places, [*(d * mu).tolist(), *(-d * mu).tolist(), -1.0])
            right.append(rent[k] - rent[report])
            equal.append(False)
    limit = 4 * float((d ** np.arange(stages)).sum())
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * value.size
    for t, s, a in np.ndindex(stages, states, actions):
        free = int(np.where(setting.forbidden[:, s], np.inf, env.state_costs[t][s]).argmin())
        bounds.append((0.0, 0.0) if a == free else (-limit, limit))
    bounds.append((0.0, None))
    objective = np.zeros(width)
    objective[-1] = 1.0
    table: Any = coo_matrix((np.array(entries), (np.array(rows), np.array(columns))), shape=(len(right), width)).tocsr()
    fixed, side = np.array(equal), np.array(right)
    options: Any = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found: Any = linprog(
        objective, table[~fixed], side[~fixed], table[fixed], side[fixed], bounds, "highs-ds", options=options
    )
    if found.x is None:
        raise LimitError(f"the prices of report {report} are not found ({found.message}); rescale the values")
    excess = 0.0 if found.fun <= VERIFY_TOLERANCE * max(1.0, limit) else float(found.fun) * scale
    fee = scale * (d * float(mu @ found.x[value[0, s0, report]]) - rent[report])
    return PublicOffer(s0, report, readonly(found.x[price] * scale), fee, excess)


def _reached(env: SeparableStates, setting: Setting, policy: Any, s0: int, report: int) -> list[Any]:
    """Where the policy leads to, by period: flags ``(state, signal)``."""
    signals = env.cells[0][0].signal_shape[0]
    now = np.zeros((len(env.state_initial), signals), dtype=bool)
    now[s0] = env.cells[0][0].signal_initial[0] > 0
    found = [now]
    for t in range(len(env.cells) - 1):
        after = np.zeros_like(now)
        for s, z in zip(*np.nonzero(found[-1]), strict=True):
            a = int(policy[t][s, report * signals + z])
            after |= np.multiply.outer(setting.moves[a, s], setting.kernels[0][t][s][a, z]) > 0
        found.append(after)
    return found
