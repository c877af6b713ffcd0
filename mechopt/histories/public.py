"""The tree of public histories where types persist, as arrays.

In period t the agents report a type profile, then an action is taken. A *slot* of period t is what is public before
its reports: all reports of earlier periods, and the actions where they matter (where an action moves types, or where
agents are to see it). A *node* of period t is a slot with the profile reported there. Slots and nodes of a period are
numbered in the order of their histories, so that the children of a slot lie next to each other.

Reports are those that an agent's own past reports allow (the next type has positive probability after the last report
and action, for some types of the others), or with ``reports="any"`` all of them, so that agents may take back a part of
their type that never moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.process import JointProcess
from mechopt.environment.words import ModelWords

if TYPE_CHECKING:
    import networkx as nx

PublicHistory = tuple[tuple[tuple[int, ...], int | None], ...]
"""Over periods: the reported types by agent, and the action (None where it is not recorded)."""
MAX_NODES = 20_000_000
"""Largest number of nodes of which arrays are made: a few hundred megabytes each."""


@dataclass(frozen=True, eq=False, repr=False)
class PublicTree:
    """Public histories of an environment whose types persist; arrays are made on first use.

    Parameters
    ----------
    process : JointProcess
    reports : str
        ``"consistent"`` with the reported past, or ``"any"``.
    record : str
        Which actions are part of the history: ``"relevant"`` ones, which move types, or ``"all"``.

    Examples
    --------
    >>> from mechopt.environment.process import joint_process
    >>> from mechopt.environment.markov import MarkovTypes
    >>> stay = [["3/4", "1/4"], [0, 1]]
    >>> tree = PublicTree(joint_process(MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], horizon=2)))
    >>> tree, tree.slot[1], tree.profile[1]
    (PublicTree(2 periods, 5 nodes), array([0, 0, 1]), array([0, 1, 1]))
    >>> tree.reach[1]
    array([0.3, 0.1, 0.6])
    """

    process: JointProcess
    reports: str = "consistent"
    record: str = "relevant"

    def __post_init__(self) -> None:
        for name, known in (("reports", ("consistent", "any")), ("record", ("relevant", "all"))):
            if getattr(self, name) not in known:
                raise InputError(f"{name}={getattr(self, name)!r}; write {known[0]!r} or {known[1]!r}")

    @property
    def horizon(self) -> int:
        """Number of periods T."""
        return self.process.horizon

    @cached_property
    def branches(self) -> tuple[int, ...]:
        """By period: the number of actions where they are recorded, else 1; 1 in the last period."""
        every = self.record == "all"
        kept = [every or moved for moved in self.process.controlled[:-1]]
        return (*(count if keep else 1 for count, keep in zip(self.process.actions, kept, strict=False)), 1)

    def reportable(self, t: int) -> npt.NDArray[np.bool_]:
        """Which profiles of period t + 1 may follow a reported profile of period t, ``(branches[t], M_t, M_t+1)``."""
        process = self.process
        count, shape = self.branches[t], process.shape[t + 1]
        if self.reports == "any":
            return self._seen(t)
        allowed = np.ones((count, process.profiles[t], *shape), dtype=bool)
        for i in range(process.agents):
            likely = self._likely(t, i)[:, process.types(t)[i]]
            allowed &= likely.reshape(*likely.shape[:2], *(k if j == i else 1 for j, k in enumerate(shape)))
        return np.asarray(allowed.reshape(count, process.profiles[t], -1) & process.matched(t + 1))

    def _seen(self, t: int) -> npt.NDArray[np.bool_]:
        """Every profile of period t + 1 whose public state may follow, in the layout of `reportable`."""
        process, count = self.process, self.branches[t]
        every = np.ones((count, process.profiles[t], process.profiles[t + 1]), dtype=bool)
        if process.public is None:
            return every
        moved: Array = np.asarray(process.kernel[t] > 0)
        moved = moved if count > 1 else np.asarray(moved.any(axis=0, keepdims=True))
        now, later = (process.public[s][0][process.types(s)[0]] for s in (t, t + 1))
        states = int(later.max()) + 1
        possible = np.zeros((count, states, states), dtype=bool)
        branch, before, after = np.nonzero(moved)
        possible[branch, now[before], later[after]] = True
        return np.asarray(possible[:, now[:, None], later[None, :]] & process.matched(t + 1))

    def _likely(self, t: int, i: int) -> Array:
        """Whether agent i may come from a type to another, whatever the others' types; ``(branches[t], K, K')``."""
        process, others = self.process, tuple(1 + j for j in range(self.process.agents) if j != i)
        likely: Array = np.asarray(process.marginal(t, i) > 0)
        likely = likely if self.branches[t] > 1 else np.asarray(likely.any(axis=0, keepdims=True))
        return np.asarray(likely.reshape(len(likely), *process.shape[t], -1).any(axis=others))

    @cached_property
    def _first(self) -> npt.NDArray[np.bool_]:
        """Which profiles may be reported in period 0."""
        shape = self.process.shape[0]
        allowed = np.ones(shape, dtype=bool)
        if self.reports == "consistent":
            for i in range(self.process.agents):
                likely = self.process.initial_marginal(i) > 0
                allowed &= likely.reshape([k if j == i else 1 for j, k in enumerate(shape)])
            return np.asarray(allowed.ravel() & self.process.matched(0))
        seen = self.process.public
        if seen is None:
            return allowed.ravel()
        tags = seen[0][0][self.process.types(0)[0]]
        possible = np.isin(tags, tags[self.process.initial > 0])
        return np.asarray(possible & self.process.matched(0))

    @cached_property
    def count(self) -> tuple[int, ...]:
        """Number of nodes by period, known before any is built and exact at any size."""
        nodes: Array = self._first.astype(object)
        counts = [int(nodes.sum())]
        for t in range(self.horizon - 1):
            nodes = (nodes[:, None] * self.reportable(t).sum(axis=0).astype(object)).sum(axis=0)
            counts.append(int(nodes.sum()))
        return tuple(counts)

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """Number of slots by period."""
        return (1, *(nodes * branch for nodes, branch in zip(self.count[:-1], self.branches, strict=False)))

    def reported(self, t: int, past: IntArray, branch: IntArray) -> npt.NDArray[np.bool_]:
        """Which profiles may be reported in period t after a profile and a branch of period t - 1, ``(slots, M_t)``."""
        return self._first[None] if t == 0 else self.reportable(t - 1)[branch, past]

    @cached_property
    def _levels(self) -> tuple[tuple[IntArray, IntArray], ...]:
        if sum(self.count) > MAX_NODES:
            raise LimitError(
                f"{sum(self.count):,} public histories are above {MAX_NODES:,}, too many to write out; use fewer "
                "periods, types or agents"
            )
        levels: list[tuple[IntArray, IntArray]] = []
        for t in range(self.horizon):
            if t == 0:
                rows = self.reported(0, np.zeros(1, np.int64), np.zeros(1, np.int64))
            else:
                count = self.branches[t - 1]
                rows = self.reported(t, levels[-1][1].repeat(count), np.tile(np.arange(count), len(levels[-1][1])))
            slot, profile = np.nonzero(rows)
            levels.append((readonly(slot, np.int64), readonly(profile, np.int64)))
        return tuple(levels)

    @cached_property
    def slot(self) -> tuple[IntArray, ...]:
        """``slot[t]``: slot of each node of period t."""
        return tuple(slot for slot, _ in self._levels)

    @cached_property
    def profile(self) -> tuple[IntArray, ...]:
        """``profile[t]``: number of the profile reported at each node of period t."""
        return tuple(profile for _, profile in self._levels)

    def own(self, t: int, i: int) -> IntArray:
        """Report of agent i at each node of period t."""
        own: IntArray = self.process.types(t)[i][self.profile[t]]
        return own

    def came(self, t: int) -> tuple[IntArray, IntArray]:
        """Node of period t - 1 and branch (action, or 0 where it is not recorded) of each slot of period t >= 1."""
        node, branch = np.divmod(np.arange(self.slots[t]), self.branches[t - 1])
        return node, branch

    def before(self, t: int) -> tuple[IntArray, IntArray]:
        """Profile reported in period t - 1, and branch, of each slot of period t >= 1."""
        node, branch = self.came(t)
        return self.profile[t - 1][node], branch

    def following(self, t: int) -> IntArray:
        """Slot of period t + 1 after each node of period t and each branch, ``(nodes, branches[t])``."""
        return np.arange(self.slots[t + 1]).reshape(self.count[t], self.branches[t])

    def find(self, t: int, slot: IntArray, profile: IntArray) -> IntArray:
        """Nodes of period t with these slots and profiles (arrays that broadcast); -1 where there is none."""
        width = self.process.profiles[t]
        keys = self.slot[t] * width + self.profile[t]
        wanted = np.asarray(slot) * width + profile
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, place, -1)

    @cached_property
    def reach(self) -> tuple[FloatArray, ...]:
        """``reach[t]``: probability of the reported types at each node of period t, given the actions recorded."""
        process = self.process
        reach = [process.initial[self.profile[0]]]
        for t in range(1, self.horizon):
            node, branch = self.came(t)
            before, action = node[self.slot[t]], branch[self.slot[t]]
            reach.append(
                reach[-1][before] * process.kernel[t - 1][action, self.profile[t - 1][before], self.profile[t]]
            )
        return tuple(readonly(part, part.dtype) for part in reach)

    def alive(self, t: int) -> npt.NDArray[np.bool_]:
        """Whether the reported types of each node of period t have positive probability."""
        process, likely = self.process, self.process.initial[self.profile[0]] > 0
        for s in range(1, t + 1):
            node, branch = self.came(s)
            before, action = node[self.slot[s]], branch[self.slot[s]]
            moved = process.kernel[s - 1][action, self.profile[s - 1][before], self.profile[s]]
            likely = likely[before] & (moved > 0)
        return likely

    def history(self, t: int, slot: int) -> PublicHistory:
        """Reports and recorded actions of a slot of period t."""
        past: list[tuple[tuple[int, ...], int | None]] = []
        for s in range(t, 0, -1):
            node, branch = divmod(slot, self.branches[s - 1])
            reports = np.unravel_index(int(self.profile[s - 1][node]), self.process.shape[s - 1])
            past.append((tuple(int(r) for r in reports), branch if self.branches[s - 1] > 1 else None))
            slot = int(self.slot[s - 1][node])
        return tuple(reversed(past))

    def written(self, t: int, slot: int) -> str:
        """A slot as its reports and actions, such as ``[0 -> 1, (0, 2)]``: type indices, and actions after arrows."""
        words = []
        for reports, action in self.history(t, slot):
            word = str(reports[0]) if len(reports) == 1 else str(reports)
            words.append(word if action is None else f"{word} -> {action}")
        return f"[{', '.join(words)}]"

    @cached_property
    def words(self) -> ModelWords:
        """Names of the environment's agents, types and actions."""
        return ModelWords(self.process.environment)

    def after(self, t: int, slot: int) -> str:
        """A slot in the model's words, such as ``"after low (sell), high"``."""
        past = self.history(t, slot)
        return self.words.after([reports for reports, _ in past], [action for _, action in past])

    def to_networkx(self) -> nx.DiGraph:
        """The tree as a networkx graph; see `mechopt.show.graphs.public_graph`."""
        graph: nx.DiGraph = provided(self, "to_networkx")(self)
        return graph

    def __repr__(self) -> str:
        return f"PublicTree({self.horizon} period{'s' * (self.horizon > 1)}, {sum(self.count)} nodes)"
