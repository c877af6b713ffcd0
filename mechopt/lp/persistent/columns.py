"""The variables of a program where types persist, as column numbers in the shape of the public tree.

- ``allocation[t]``: ``(nodes, A_t)``, realisation weights.
- ``payment[t]``: ``(n, nodes)``, present values of weighted payments, expected over the mechanism's draw.
- ``value[basis][t][i]``: ``(states,)``: V, present value; see `states` and `persistent_rows`.
- ``realised[t]``: ``(n, slots)`` for t >= 1: R, weighted realised utility, present value; where participation on
  paths asks for it.
- ``paid[t]``: ``(n, slots)`` for t >= 1: P, weighted payments so far, present value; where a budget asks for it.

Money is measured in a power of two near the largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from mechopt.core.numbers import IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.hidden_histories import Hidden
from mechopt.lp.persistent.incentive import SparseRows
from mechopt.lp.persistent.information_states import States, Tree, states
from mechopt.lp.persistent.merged_tree import PatternTree


def labelled(tree: PublicTree, t: int, agent: int | None, name: str, number: int) -> str:
    """Labels of a row or column, by the model's names.

    Parameters
    ----------
    tree : PublicTree
    t : int
    agent : int or None
    name : str
        Such as ``"true type"``, ``"reports"`` or ``"action"``.
    number : int
        Of the type, the profile or the action.
    """
    words, shape = tree.words, tree.process.shape
    if name in ("reports", "true profile"):
        profile = words.profile(t, np.unravel_index(number, shape[t]))
        return f"{'reports' if name == 'reports' else 'true types'} {profile}"
    if name in ("true type", "report") and agent is not None:
        return f"{name} {words.type(t, agent, number)}"
    if name == "earlier true type" and agent is not None:
        return f"{name} {words.type(t - 1, agent, number)}"
    return words.action(t, number) if name == "action" else f"{name} {number}"


@dataclass(frozen=True)
class PersistentBlock:
    """Columns of one kind in one period.

    Attributes
    ----------
    name : str
        Such as ``"allocation 0"``, unique in a program.
    kind : str
    period : int
    first : int
        First column.
    shape : tuple of int
    agent : int or None
    where : int array
        Slot of each position on the axis that is about histories.
    known : tuple of (str, int array)
        What else each position is about, such as true types.
    """

    name: str
    kind: str
    period: int
    first: int
    shape: tuple[int, ...]
    agent: int | None
    where: IntArray = field(compare=False)
    known: tuple[tuple[str, IntArray], ...] = field(default=(), compare=False)

    @property
    def axis(self) -> int:
        """Which axis is about histories."""
        return 1 if self.kind in ("payment", "realised utility", "realised payment") else 0

    def total(self, patterns: PatternTree) -> int:
        """How many columns these are on the tree whose patterns they were numbered on."""
        others = prod(self.shape[: self.axis] + self.shape[self.axis + 1 :])
        return others * int(patterns.multiplicity(self.period)[self.where].sum())

    def describe(self, column: int, tree: PublicTree) -> str:
        """Say in words what a column stands for."""
        place = [int(p) for p in np.unravel_index(column - self.first, self.shape)]
        axis = self.axis
        slot = int(self.where[place[axis]])
        agent = self.agent if self.agent is not None else place[0] if axis else None
        known, t = tree.words, self.period
        whose = "" if agent is None else f" of {known.agent(agent)}"
        beyond = " less her outside option" if "value" in self.kind and tree.process.options is not None else ""
        words = f"{self.kind}{whose}{beyond}, period {t}, {tree.after(t, slot)}"
        if self.kind in ("allocation", "payment"):
            reports = np.unravel_index(int(tree.profile[t][place[axis]]), tree.process.shape[t])
            words += f", reports {known.profile(t, reports)}"
        for name, numbers in self.known:
            words += f", {labelled(tree, t, agent, name, int(numbers[place[axis]]))}"
        if self.kind == "hidden value" and agent is not None:
            words += f", true history {place[1]}, true type {known.type(t, agent, place[2])}"
        if self.kind == "allocation":
            words += f", {known.action(t, place[1])}"
        return words


@dataclass(frozen=True, eq=False)
class PersistentColumns:
    """Column numbers; see the module's docstring.

    Attributes
    ----------
    tree : PublicTree or PatternTree
    allocation, payment, realised : tuples over t of int arrays
        ``realised[0]`` is empty: R is 0 at the root.
    value : dict by basis of tuples over t of tuples over i of int arrays
    states : dict by basis of tuples over t of tuples over i of States
    paid : tuple over t of int arrays ``(n, slots)``
        Empty where no budget asks for it, and ``paid[0]`` always.
    hidden : tuple over t of tuples over i of int arrays ``(cells, pasts, types)``
        Empty where agents see all of the past.
    mass : tuple over t of int arrays ``(slots,)``
        Column of each slot's realisation weight; -1 where it is 1.
    blocks : tuple of PersistentBlock
    count : int
    """

    tree: Tree
    allocation: tuple[IntArray, ...]
    payment: tuple[IntArray, ...]
    realised: tuple[IntArray, ...]
    value: dict[str, tuple[tuple[IntArray, ...], ...]]
    states: dict[str, tuple[tuple[States, ...], ...]]
    hidden: tuple[tuple[IntArray, ...], ...]
    mass: tuple[IntArray, ...]
    blocks: tuple[PersistentBlock, ...]
    count: int
    paid: tuple[IntArray, ...] = ()


@dataclass(frozen=True)
class PersistentFamily:
    """Rows of one kind, agent and period.

    Attributes
    ----------
    name : str
        Constraint, or ``flow`` or ``realised``.
    agent : int or None
    period : int
    build : callable
        Makes the rows from the columns, of the public tree or of its patterns.
    local : bool
        Whether each row is about one slot, so that rows can be counted by patterns.
    """

    name: str
    agent: int | None
    period: int
    build: Callable[[PersistentColumns], SparseRows]
    local: bool = True


class Numbering:
    """Hands out column numbers, block after block."""

    def __init__(self) -> None:
        self.blocks: list[PersistentBlock] = []
        self.count = 0

    def block(
        self,
        kind: str,
        period: int,
        shape: tuple[int, ...],
        where: IntArray,
        agent: int | None = None,
        known: tuple[tuple[str, IntArray], ...] = (),
    ) -> IntArray:
        """Number the columns of one block."""
        name = f"{kind} {period}" if agent is None else f"{kind} {period} of agent {agent}"
        self.blocks.append(PersistentBlock(name, kind, period, self.count, shape, agent, where, known))
        size = int(np.prod(shape))
        self.count += size
        return np.arange(self.count - size, self.count).reshape(shape)


def make_columns(
    tree: Tree, bases: dict[str, bool], realised: bool, hidden: Sequence[Hidden] = (), paid: bool = False
) -> PersistentColumns:
    """Number the columns.

    Parameters
    ----------
    tree : PublicTree or PatternTree
    bases : dict
        Basis of values to whether only truthful states have one.
    realised : bool
        Whether there are realised utilities.
    hidden : sequence over i of Hidden
        Where agents do not see all of the past.
    paid : bool
        Whether there are sums of payments.
    """
    numbering, periods, n = Numbering(), range(tree.horizon), tree.process.agents
    allocation = [
        numbering.block("allocation", t, (tree.count[t], tree.process.actions[t]), tree.slot[t]) for t in periods
    ]
    payment = [numbering.block("payment", t, (n, tree.count[t]), tree.slot[t]) for t in periods]
    known, value = {}, {}
    for basis, truthful_only in bases.items():
        known[basis] = tuple(tuple(states(tree, t, i, basis, truthful_only) for i in range(n)) for t in periods)
        value[basis] = tuple(
            tuple(
                numbering.block(f"{basis} value", t, (part.count,), part.slot, i, part.labels(basis))
                for i, part in enumerate(known[basis][t])
            )
            for t in periods
        )
    paths = [np.zeros((n, 0), dtype=np.int64)]
    for t in periods[1:]:
        paths.append(
            numbering.block("realised utility", t, (n, tree.slots[t]), np.arange(tree.slots[t]))
            if realised
            else paths[0]
        )
    unseen = [
        tuple(
            numbering.block("hidden value", t, part.shape(t), np.unique(part.cell(t), return_index=True)[1], i)
            for i, part in enumerate(hidden)
        )
        for t in periods
    ]
    mass = [np.full(1, -1)]
    for t in periods[1:]:
        node, branch = tree.came(t)
        mass.append(allocation[t - 1][node, branch] if tree.branches[t - 1] > 1 else mass[-1][tree.slot[t - 1][node]])
    sums = [np.zeros((n, 0), dtype=np.int64)] if paid else []
    for t in periods[1:] if paid else ():
        sums.append(numbering.block("realised payment", t, (n, tree.slots[t]), np.arange(tree.slots[t])))
    return PersistentColumns(
        tree,
        tuple(allocation),
        tuple(payment),
        tuple(paths),
        value,
        known,
        tuple(unseen),
        tuple(mass),
        tuple(numbering.blocks),
        numbering.count,
        tuple(sums),
    )
