"""A mechanism of any kind as one set of arrays over histories: what is reported, done and paid, and what comes next.

A *slot* of period t is what is public before its reports, a *node* a slot with the profile reported there, as in
`mechopt.histories.public`. Types independent across periods fit the same picture: their slots are the histories of
length t, every profile may be reported, and the actions are to keep the item or to sell it to one of the buyers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.states.environment import PublicStates, state_names
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import at_profiles
from mechopt.mechanism.sequence import SequenceMechanism

WEIGHTLESS = 1e-9
"""Realisation weight up to which a history counts as one that the mechanism never comes to."""


@dataclass(frozen=True, eq=False)
class Play:
    """A mechanism in play, by period and node.

    Attributes
    ----------
    agents : tuple of str
        Names.
    types : tuple over t of tuples over i of tuples of str
        Names.
    actions : tuple over t of tuples of str
        Names.
    values : tuple over t of arrays ``(n, A_t, M_t)``
        By agent, action and type profile; money of the period.
    costs : tuple over t of arrays ``(A_t,)``
        The seller's.
    present_value : array ``(T,)``
        Of the money of each period to the seller.
    own_present_value : array ``(n, T)``
        The same to each agent.
    slot, profile : tuples over t of int arrays ``(nodes,)``
    following : tuple over t of int arrays ``(nodes, branches)``
        Slot of the next period by recorded action; none after the last period.
    slots : tuple of int
        Number of slots by period.
    mass : tuple over t of arrays ``(slots,)``
        Probability, over the mechanism's own draws, of the actions recorded on the way.
    reach : tuple over t of arrays ``(nodes,)``
        Probability of the node when all are truthful.
    allocation : tuple over t of arrays ``(nodes, A_t)``
        Probability of each action.
    payment : tuple over t of arrays ``(n, nodes)``
        From agent to seller, money of the period, expected over the mechanism's draw.
    gains : tuple over t of arrays ``(A_t, M_t)``, or None
        What actions are worth to the seller besides payments and costs.
    states : tuple of str
        Names of the public states, of which each type has one; empty where there are none.
    private : tuple over t of tuples over i of tuples of str
        Names of the types without their public states, where there are some: a type is number s K + k of state s and
        private type k.
    """

    agents: tuple[str, ...]
    types: tuple[tuple[tuple[str, ...], ...], ...]
    actions: tuple[tuple[str, ...], ...]
    values: tuple[FloatArray, ...]
    costs: tuple[FloatArray, ...]
    present_value: FloatArray
    own_present_value: FloatArray
    slot: tuple[IntArray, ...]
    profile: tuple[IntArray, ...]
    following: tuple[IntArray, ...]
    slots: tuple[int, ...]
    mass: tuple[FloatArray, ...]
    reach: tuple[FloatArray, ...]
    allocation: tuple[FloatArray, ...]
    payment: tuple[FloatArray, ...]
    gains: tuple[FloatArray, ...] | None = None
    states: tuple[str, ...] = ()
    private: tuple[tuple[tuple[str, ...], ...], ...] = ()

    def net_costs(self, t: int) -> FloatArray:
        """Cost of an action to the seller less its worth to her, ``(A_t, M_t)`` or ``(A_t, 1)``."""
        cost: FloatArray = self.costs[t][:, None]
        return cost if self.gains is None else cost - self.gains[t]

    @property
    def horizon(self) -> int:
        """Number of periods T."""
        return len(self.actions)

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types."""
        return tuple(tuple(len(names) for names in row) for row in self.types)

    @property
    def recorded(self) -> bool:
        """Whether some action is part of the history."""
        return any(part.shape[1] > 1 for part in self.following)

    def alike(self, t: int, s: int) -> bool:
        """Whether two periods have the same types, actions and values, so that rules can be compared."""
        return (
            self.types[t] == self.types[s]
            and self.actions[t] == self.actions[s]
            and np.array_equal(self.values[t], self.values[s])
            and np.array_equal(self.net_costs(t), self.net_costs(s))
        )

    @cached_property
    def before(self) -> tuple[tuple[IntArray, IntArray], ...]:
        """By period t >= 1: node of period t - 1 and recorded action of each slot; empty arrays in period 0."""
        none = np.zeros(0, dtype=np.int64)
        found = [(none, none)]
        for t in range(self.horizon - 1):
            order = np.argsort(self.following[t].ravel(), kind="stable")
            node, branch = np.divmod(order, self.following[t].shape[1])
            found.append((node, branch))
        return tuple(found)

    @cached_property
    def past(self) -> tuple[IntArray, ...]:
        """``past[t][slot, s]``: profile reported in period s < t."""
        found = [np.zeros((1, 0), dtype=np.int64)]
        for t in range(1, self.horizon):
            node, _ = self.before[t]
            earlier = found[-1][self.slot[t - 1][node]]
            found.append(np.concatenate([earlier, self.profile[t - 1][node][:, None]], axis=1))
        return tuple(found)

    def own(self, t: int, i: int, profile: IntArray) -> IntArray:
        """Type of agent i in profiles of period t."""
        sizes = self.shape[t]
        own: IntArray = profile // prod(sizes[i + 1 :]) % sizes[i]
        return own

    @cached_property
    def histories(self) -> int:
        """Number of histories of lengths 0 to T - 1 that the mechanism can come to, whatever is reported."""
        return sum(int((part > WEIGHTLESS).sum()) for part in self.mass)

    def worth(self, t: int) -> FloatArray:
        """Expected value, over the mechanism's draw, of each agent at each node; ``(n, nodes)``."""
        worth: FloatArray = np.einsum("iak,ka->ik", self.values[t][:, :, self.profile[t]], self.allocation[t])
        return worth

    def with_payment(self, payment: tuple[FloatArray, ...]) -> Play:
        """The same with other payments."""
        from dataclasses import replace

        return replace(self, payment=payment)


def play_of(mechanism: Mechanism | SequenceMechanism) -> Play:
    """Write a mechanism as one set of arrays.

    Parameters
    ----------
    mechanism : Mechanism or SequenceMechanism

    Examples
    --------
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> sale = np.array([[[0.0, 1.0]]])
    >>> play = play_of(Mechanism(env, [sale], [2 * sale]))
    >>> play.actions, play.allocation[0].tolist(), play.payment[0].tolist()
    ((('keep', 'sell'),), [[1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0]])
    """
    return _independent(mechanism) if isinstance(mechanism, Mechanism) else _persistent(mechanism)


def _independent(mechanism: Mechanism) -> Play:
    tree, env = mechanism.tree, mechanism.environment
    n, periods = env.agents, range(env.horizon)
    sales = ("sell",) if n == 1 else tuple(f"sell to {name}" for name in env.names)
    if env.slots is not None and any(bool((row != 1).any()) for row in env.slots):
        sales = ("slot",) if n == 1 else tuple(f"slot to {name}" for name in env.names)
    values, allocation = [], []
    for t in periods:
        count = prod(tree.shape[t])
        table = np.zeros((n, n + 1, count))
        for i in range(n):
            table[i, i + 1] = np.broadcast_to(mechanism.values(t)[i, 0], tree.shape[t]).ravel()
        values.append(table)
        sold = np.clip(mechanism.allocation[t].reshape(n, -1), 0.0, 1.0)
        unsold = 1 - sold.max(axis=0, keepdims=True) if env.slots is not None else 1 - sold.sum(axis=0, keepdims=True)
        allocation.append(np.concatenate([np.clip(unsold, 0.0, 1.0), sold]).T)
    counts = [prod(shape) for shape in tree.shape]
    return Play(
        tuple(f"buyer {name}" for name in env.names),
        tuple(tuple(env.types[i][t] for i in range(n)) for t in periods),
        (("keep", *sales),) * env.horizon,
        tuple(values),
        tuple(np.array([0.0, *[float(env.cost[t])] * n]) for t in periods),
        env.present_value,
        np.array(env.own_present_value),
        tuple(np.arange(tree.count[t]).repeat(counts[t]) for t in periods),
        tuple(np.tile(np.arange(counts[t]), tree.count[t]) for t in periods),
        tuple(np.arange(tree.count[t + 1])[:, None] for t in periods[:-1]),
        tree.count[:-1],
        tuple(np.ones(tree.count[t]) for t in periods),
        tuple(tree.reach[t + 1] for t in periods),
        tuple(allocation),
        tuple(mechanism.payment[t].reshape(n, -1) for t in periods),
        None if env.seller_values is None else tuple(_sale_gains(tree, t) for t in periods),
    )


def _sale_gains(tree: HistoryTree, t: int) -> FloatArray:
    """Worth of sales to the seller by action and profile; nothing where the item is kept."""
    gains = at_profiles(tree, t, [row[t] for row in tree.environment.seller_values or ()])[:, 0]
    own = np.broadcast_to(gains, (len(gains), *tree.shape[t])).reshape(len(gains), -1)
    return np.concatenate([np.zeros((1, own.shape[1])), own])


def _named(kind: str, name: object) -> str:
    """A name, or what is numbered and its number."""
    text = str(name)
    return f"{kind} {text}" if text.isdigit() else text


def _persistent(mechanism: SequenceMechanism) -> Play:
    tree, process, env = mechanism.tree, mechanism.process, mechanism.environment
    n, periods = process.agents, range(process.horizon)
    named: list[tuple[tuple[str, ...], ...]] = []
    for t in periods:
        named.append(tuple(tuple(map(str, env.types[i][t])) for i in range(n)))
    mass = tuple(mechanism.mass(t) for t in periods)
    weight = [mass[t][tree.slot[t]] for t in periods]
    payment: list[Array] = []
    for t in periods:
        total = mechanism.payment[t].sum(axis=2)
        known = weight[t] > WEIGHTLESS
        payment.append(np.divide(total, weight[t], out=np.zeros_like(total), where=np.broadcast_to(known, total.shape)))
    return Play(
        tuple(_named("agent", name) for name in env.names),
        tuple(named),
        tuple(tuple(_named("action", name) for name in env.action_names(t)) for t in periods),
        process.values,
        process.costs,
        process.present_value,
        np.array(process.own_present_value),
        tree.slot,
        tree.profile,
        tuple(tree.following(t) for t in periods[:-1]),
        tree.slots,
        mass,
        tuple(tree.reach[t] * weight[t] for t in periods),
        mechanism.policy,
        tuple(payment),
        process.gains,
        *(_stated(env, process.horizon) if isinstance(env, PublicStates) else ()),
    )


def _stated(env: PublicStates, periods: int) -> tuple[tuple[str, ...], tuple[tuple[tuple[str, ...], ...], ...]]:
    """Names of the public states, and of types without them."""
    own = env.base.types
    private = tuple(tuple(tuple(map(str, row[t])) for row in own) for t in range(periods))
    return tuple(state_names(env.states)), private
