"""Mechanisms with public states of their own, of any form, as one set of arrays over their entries.

An *entry* is one of the mechanism's own states: a promise of a period, a point of a dual dynamic program, a state of a
mechanism for ever. Only those that truth may come to are kept. Nothing is written out over histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.endless.linear import discounted
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_period import PersistentPeriod
from mechopt.solve.dual.markov_policy import PersistentPolicy
from mechopt.solve.promised.policy import PromisePolicy

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Stage:
    """Common parts of periods of one kind.

    Attributes
    ----------
    types : tuple over agents of tuples of str
        Names.
    actions : tuple of str
    values : float array ``(n, P, A)``
        Money of the period, by agent, type profile and action.
    """

    types: tuple[tuple[str, ...], ...]
    actions: tuple[str, ...]
    values: FloatArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of types by agent."""
        return tuple(map(len, self.types))


@dataclass(frozen=True, eq=False)
class Block:
    """Entries of one period, or of all periods.

    Attributes
    ----------
    possible : bool array ``(N, P)``
        Whether truth may report a profile there.
    belief : float array ``(N, P)``
        Probability of each profile.
    allocation : float array ``(N, P, A)``
        Probability of each action.
    payment : float array ``(n, N, P)``
        From agent to seller, money of the period, expected over the mechanism's draws.
    promise : float array ``(m, N)``
        What the entry stands for: a balance or promised utility, by agent.
    after : sparse array ``(N * P, next N)``, or None
        Probability of the next entry by entry and profile; None after the last period.
    """

    possible: Array
    belief: FloatArray
    allocation: FloatArray
    payment: FloatArray
    promise: FloatArray
    after: csr_array | None


@dataclass(frozen=True, eq=False)
class Tables:
    """All entries of a mechanism.

    Attributes
    ----------
    agents : tuple of str
        Names.
    stages : tuple of Stage
        By period; one for ever.
    blocks : tuple of Block
        By period; one for ever.
    weight : tuple of float arrays ``(N,)``
        Share of the present value of all periods that truth spends in each entry; together they sum to 1.
    word : str
        What ``promise`` is.
    """

    agents: tuple[str, ...]
    stages: tuple[Stage, ...]
    blocks: tuple[Block, ...]
    weight: tuple[FloatArray, ...]
    word: str

    @property
    def endless(self) -> bool:
        """Whether the last block leads to itself."""
        return self.blocks[-1].after is not None

    @property
    def entries(self) -> int:
        """Number of entries."""
        return sum(len(block.belief) for block in self.blocks)


def truthful(block: Block) -> csr_array:
    """Probability of each next entry, by entry, when all are truthful."""
    from scipy.sparse import csr_array

    assert block.after is not None
    n, p = block.belief.shape
    rows = np.repeat(np.arange(n), p)
    return csr_array(csr_array((block.belief.ravel(), (rows, np.arange(n * p))), shape=(n, n * p)) @ block.after)


def _finite(
    agents: tuple[str, ...], stages: list[Stage], blocks: list[Block], present: FloatArray, word: str
) -> Tables:
    """Keep what truth comes to, period by period."""
    mass, kept, reached, live = np.ones(1), list[Block](), list[FloatArray](), np.arange(1)
    for t, block in enumerate(blocks):
        rows = (live[:, None] * block.belief.shape[1] + np.arange(block.belief.shape[1])).ravel()
        following, after = np.arange(0), None
        if block.after is not None:
            after = block.after[rows]
            following = np.unique(after.indices[after.data > 0])
            after = after[:, following]
        kept.append(
            Block(
                block.possible[live],
                block.belief[live],
                block.allocation[live],
                block.payment[:, live],
                block.promise[:, live],
                after,
            )
        )
        reached.append(mass * present[t])
        if after is not None:
            mass = np.asarray(after.T @ (kept[-1].belief * mass[:, None]).ravel())
        live = following
    total = float(present.sum())
    return Tables(agents, tuple(stages), tuple(kept), tuple(part / total for part in reached), word)


@singledispatch
def tables_of(mechanism: Any) -> Tables:
    """A mechanism's own states as tables.

    Parameters
    ----------
    mechanism : PromisePolicy, BuyersPolicy, PersistentPolicy, StateMechanism, MarkovMechanism

    Raises
    ------
    InputError
        If it has no tables of states.
    """
    raise InputError(f"a {type(mechanism).__name__} has no states of its own and no histories that can be written out")


def _sales(env: IndependentTypes) -> tuple[str, ...]:
    return ("keep", *(("sell",) if env.agents == 1 else tuple(f"sell to {name}" for name in env.names)))


def _names(env: IndependentTypes) -> tuple[str, ...]:
    return tuple(f"buyer {name}" for name in env.names)


@tables_of.register(PromisePolicy)
def _(policy: PromisePolicy) -> Tables:
    """Balances: the utility realised so far, present value, is what was promised."""
    env, rows = policy.environment, list[_Bank]()
    for t, table in enumerate(policy.tables):
        utility = table.next_promises - (table.promises[:, None] if t else 0.0)
        paid = env.present_value[t] * env.values[0][t] * table.allocation - utility
        after = None
        if t + 1 < env.horizon:
            left, share, _ = policy.tables[t + 1].between(table.next_promises)
            after = _between(left, share, len(policy.tables[t + 1].promises))
        rows.append((table.promises if t else np.zeros(1), table.allocation, paid, after))
    return _bank(env, rows)


@tables_of.register(BankTable)
def _(mechanism: BankTable) -> Tables:
    """Balances of the account."""
    env, rows = mechanism.environment, list[_Bank]()
    for t, period in enumerate(mechanism.periods):
        after = None
        if t + 1 < env.horizon:
            after = _between(period.after, period.share, len(mechanism.periods[t + 1].balances))
        rows.append((period.balances, period.allocation, period.payment, after))
    return _bank(env, rows)


_Bank = tuple[FloatArray, FloatArray, FloatArray, "csr_array | None"]
"""Balances, allocation, payment in present value, next entries."""


def _bank(env: IndependentTypes, rows: list[_Bank]) -> Tables:
    """One buyer's account, period by period."""
    stages, blocks = [], []
    for t, (balances, allocation, payment, after) in enumerate(rows):
        distribution = np.broadcast_to(env.probabilities[0][t], allocation.shape)
        sold = np.clip(np.stack([1 - allocation, allocation], axis=2), 0.0, 1.0)
        paid = (payment / env.present_value[t])[None]
        blocks.append(Block(distribution > 0, distribution, sold, paid, balances[None], after))
        values = np.zeros((1, distribution.shape[1], 2))
        values[0, :, 1] = env.values[0][t]
        stages.append(Stage((tuple(map(str, env.types[0][t])),), _sales(env), values))
    return _finite(_names(env), stages, blocks, env.present_value, "balance")


def _between(left: IntArray, share: FloatArray, count: int) -> csr_array:
    """Lotteries over entry ``left`` and the next one, which has the weight ``share``."""
    from scipy.sparse import csr_array

    rows, left, share = np.arange(left.size), left.ravel(), share.ravel()
    right = np.minimum(left + 1, count - 1)
    weights, columns = np.concatenate([1 - share, share]), np.concatenate([left, right])
    found = csr_array((weights, (np.tile(rows, 2), columns)), shape=(left.size, count))
    found.eliminate_zeros()
    return found


@tables_of.register(BuyersPolicy)
def _(policy: BuyersPolicy) -> Tables:
    """Points of the dual program: what each buyer is promised, present value."""
    env, n = policy.environment, policy.environment.agents
    stages, blocks = [], []
    for t, table in enumerate(policy.tables):
        distribution, _ = policy.profiles(t)
        row = policy.kept[t]
        grid = np.indices([len(types) for types, _, _ in row]).reshape(n, -1)
        values = np.zeros((n, len(distribution), n + 1))
        for i, (_, worth, _) in enumerate(row):
            values[i, :, i + 1] = worth[grid[i]]
        sold = table.allocation
        chosen = np.concatenate([1 - sold.sum(axis=2, keepdims=True), sold], axis=2)
        given = table.excess * (policy.unit / float(env.present_value[t]))
        paid = np.moveaxis(sold * np.diagonal(values[:, :, 1:], axis1=0, axis2=2)[None] - given, 2, 0)
        belief = np.broadcast_to(distribution, chosen.shape[:2])
        promise = (table.promise * policy.unit).T
        blocks.append(Block(belief > 0, belief, np.clip(chosen, 0.0, 1.0), paid, promise, table.after))
        named = tuple(tuple(str(env.types[i][t][k]) for k in types) for i, (types, _, _) in enumerate(row))
        stages.append(Stage(named, _sales(env), values))
    return _finite(_names(env), stages, blocks, env.present_value, "promised")


def _titled(kind: str, names: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" if str(name).isdigit() else str(name) for name in names)


@tables_of.register(PersistentPolicy)
def _(policy: PersistentPolicy) -> Tables:
    """Points of the dual program: expected promise to the agent, present value."""
    process, periods = policy.process, policy.periods
    env = policy.environment.to_markov() if isinstance(policy.environment, SeparableTypes) else policy.environment
    stages, blocks = [], []
    for t, (table, period) in enumerate(zip(policy.tables, periods, strict=True)):
        distribution, chosen = period.distributions[table.state], table.allocation
        gain = period.values.T[None] - table.excess.sum(axis=2)[:, :, None]
        if not policy.ex_post:
            gain = gain - table.promise[:, :, None]
        paid, after = (chosen * gain).sum(axis=2), None
        if table.after is not None:
            after = _moved(chosen, period, table.after)
            if not policy.ex_post:
                later = periods[t + 1].distributions[policy.tables[t + 1].state] * policy.tables[t + 1].promise
                paid = paid + (after @ later.sum(axis=1)).reshape(paid.shape)
        scale = policy.unit / float(process.present_value[t])
        promise = (distribution * table.promise).sum(axis=1)[None] * policy.unit
        blocks.append(Block(distribution > 0, distribution, chosen, paid[None] * scale, promise, after))
        named = (tuple(map(str, env.types[0][t])),)
        values = np.moveaxis(process.values[t], 1, 2)
        stages.append(Stage(named, _titled("action", tuple(env.action_names(t))), values))
    return _finite(_titled("agent", tuple(env.names)), stages, blocks, process.present_value, "promised")


def _moved(chosen: FloatArray, period: PersistentPeriod, after: csr_array) -> csr_array:
    """Next points by point and report, from those by point, report and distribution of motion."""
    from scipy.sparse import csr_array

    moved = (chosen @ np.eye(len(period.kernels))[period.moves]).ravel()
    rows = np.arange(len(moved)) // len(period.kernels)
    return csr_array(csr_array((moved, (rows, np.arange(len(moved)))), shape=(int(rows[-1]) + 1, len(moved))) @ after)


@tables_of.register(StateMechanism)
def _(mechanism: StateMechanism) -> Tables:
    """States for ever: what each agent expects from there on, as of the period."""
    from scipy.sparse import csr_array

    env = mechanism.environment
    live = np.flatnonzero(mechanism.depth >= 0)
    states, profiles, actions = mechanism.allocation.shape
    chosen = mechanism.allocation
    rows = np.arange(states * profiles * actions)
    draw = csr_array((chosen.ravel(), (rows // actions, rows)), shape=(states * profiles, len(rows)))
    entries = (live[:, None] * profiles + np.arange(profiles)).ravel()
    after = csr_array((draw @ mechanism.after)[entries][:, live])
    block = Block(
        mechanism.likely[live],
        mechanism.beliefs[live],
        chosen[live],
        (chosen * mechanism.paid).sum(axis=3)[:, live],
        mechanism.state_utilities[:, live],
        after,
    )
    named = tuple(tuple(map(str, env.types[i][0])) for i in range(env.agents))
    stage = Stage(named, _titled("action", tuple(env.action_names(0))), mechanism.worth)
    return _endless(_titled("agent", tuple(env.names)), stage, block, env.discount)


def _endless(agents: tuple[str, ...], stage: Stage, block: Block, discount: float) -> Tables:
    """With the present value of the time that is spent in each entry."""
    start = np.zeros(len(block.belief))
    start[0] = 1.0
    visits = discounted(truthful(block).T.tocsr(), start, discount)
    return Tables(agents, (stage,), (block,), (np.maximum(visits, 0.0) * (1 - discount),), "expects")


@tables_of.register(MarkovMechanism)
def _(mechanism: MarkovMechanism) -> Tables:
    """With an infinite horizon: one state a period with its own transfers; the last one is for ever."""
    from scipy.sparse import csr_array

    env, shape = mechanism.environment, mechanism.environment.shape[0]
    size, count, profiles = mechanism.periods, env.action_counts[0], int(np.prod(shape))
    at, policy = np.arange(profiles), mechanism.policy[0].ravel()
    chosen = np.zeros((size, profiles, count))
    chosen[:, at, policy] = 1.0
    paid = np.array([[part.ravel() for part in row] for row in mechanism.transfer])
    belief = np.ones((1, 1))
    for row in env.initial:
        belief = (belief[:, :, None] * np.asarray(row)[None, None]).reshape(1, -1)
    grid = np.indices(shape).reshape(env.agents, -1)
    moves = np.ones((profiles, 1))
    for i in range(env.agents):
        distribution = env.kernel[i][0][policy, grid[i]]
        moves = (moves[:, :, None] * distribution[:, None]).reshape(profiles, -1)
    beliefs = [belief[0]]
    for _ in range(size - 1):
        beliefs.append(beliefs[-1] @ moves)
    following = np.minimum(np.arange(size) + 1, size - 1).repeat(profiles)
    after = csr_array(
        (np.ones(size * profiles), (np.arange(size * profiles), following)), shape=(size * profiles, size)
    )
    values = np.stack([env.values[i][0][:, grid[i]].T for i in range(env.agents)])
    possible = np.ones((size, profiles), dtype=bool)
    block = Block(possible, np.array(beliefs), chosen, paid, np.zeros((0, size)), after)
    named = tuple(tuple(map(str, env.types[i][0])) for i in range(env.agents))
    stage = Stage(named, _titled("action", tuple(env.action_names(0))), values)
    return _endless(_titled("agent", tuple(env.names)), stage, block, env.discount)


@tables_of.register(ContractedMechanism)
def _(mechanism: ContractedMechanism) -> Tables:
    """The allocation periods, of which the first is one period after contracting."""
    return tables_of(mechanism.allocation)


def kinds(tables: Tables) -> list[int]:
    """By period, the first that has the same types, actions and values."""
    found: list[int] = []
    for t, stage in enumerate(tables.stages):
        same = (s for s in range(t) if _alike(tables.stages[s], stage))
        found.append(next(same, t))
    return found


def _alike(one: Stage, other: Stage) -> bool:
    named = one.types == other.types and one.actions == other.actions
    return named and np.array_equal(one.values, other.values)
