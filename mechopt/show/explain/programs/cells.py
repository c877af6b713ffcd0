"""The program of payments that depend on a state and a report alone, the allocation being fixed.

Variables u: a payment for each agent and *cell* (period, state, profile), money of its period in the program's unit,
and what follows from it. Independent types, with w the present value of money of the period, v what is got, R the
utility realised on the way, U that still expected and S = R + U (`mechopt.lp.independent.columns`)::

    R(h k) = R(h) + w (v(c, k) - p(c, k)),      S(h) = R(h) + U(c(h)),      U(end) = 0.

What a whole path must leave (EPIR, prefix) is asked of the least utility m still to come::

    m(c) <= w (v(c, k) - p(c, k)) + m(c k),     m(end) = 0,  m(root) >= 0   (prefix: m <= 0 after period 0).

Persistent types, with W the realisation weight of a history: weighted payments y = w W p(c, k), and truthful
continuation values and of misreports V = W V(c, ...), which depend on the state, on the true type, and, where others'
types count, on what was reported and done in the period before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.lp.independent.compile import Layout
from mechopt.lp.program import LinearProgram
from mechopt.lp.substitution import extended, substituted
from mechopt.mechanism.constraints import EPIR, PFIR, closure
from mechopt.show.explain.automaton import examples
from mechopt.show.explain.play import WEIGHTLESS, Play

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mechopt.lp.build import AnyLayout
    from mechopt.lp.persistent.compile import PersistentLayout


@dataclass(frozen=True, eq=False)
class Cells:
    """Payments by agent and cell: the first variables of the program.

    Attributes
    ----------
    agent, period, state : int arrays ``(cells,)``
    weight : array ``(cells,)``
        Probability of the cell times the present value of money of its period to the seller.
    worth : array ``(cells,)``
        Expected value of what the agent gets, in the program's unit.
    units : array ``(cells,)``
        Probability that she gets something that is worth something to her.
    place : tuple over t of int arrays ``(n, nodes)``
        Cell of each agent and node; -1 where the mechanism never comes.
    following : int array ``(cells,)``
        State after the cell, where no action is recorded; -1 after the last period.
    """

    agent: IntArray
    period: IntArray
    state: IntArray
    weight: FloatArray
    worth: FloatArray
    units: FloatArray
    place: tuple[IntArray, ...]
    following: IntArray

    @property
    def count(self) -> int:
        """Number of cells."""
        return len(self.agent)


def cells_of(play: Play, state: tuple[IntArray, ...], unit: float) -> Cells:
    """List the cells of a mechanism.

    Parameters
    ----------
    play : Play
    state : tuple over t of int arrays ``(slots,)``
        Whose cells they are; -1 where the mechanism never comes.
    unit : float
        Of the program's money.
    """
    n, first = len(play.agents), 0
    parts: list[list[Array]] = []
    places = []
    for t in range(play.horizon):
        here = state[t][play.slot[t]]
        live = np.flatnonzero(here >= 0)
        keys = here[live] * (int(play.profile[t].max()) + 1) + play.profile[t][live]
        _, sample, place = np.unique(keys, return_index=True, return_inverse=True)
        place, node = place.ravel(), live[sample]
        count = len(node)
        chance = np.bincount(place, weights=play.reach[t][live], minlength=count)
        useful = np.abs(play.values[t]).max(axis=2) > 0
        after = np.full(count, -1)
        if t + 1 < play.horizon:
            after = state[t + 1][play.following[t][node, 0]]
        worth, units = play.worth(t)[:, node] / unit, useful @ play.allocation[t][node].T
        table = np.full((n, len(here)), -1)
        for i in range(n):
            table[i, live] = first + i * count + place
            chances = chance * play.present_value[t]
            columns = [np.full(count, i), np.full(count, t), here[node], chances, worth[i], units[i], after]
            parts.append([np.asarray(column, dtype=np.float64) for column in columns])
        first += n * count
        places.append(table)
    agent, period, states, weight, worth, units, after = (np.concatenate(part) for part in zip(*parts, strict=True))
    agent, period, states, after = (part.astype(np.int64) for part in (agent, period, states, after))
    return Cells(agent, period, states, weight, worth, units, tuple(places), after)


def payment_program(
    program: LinearProgram, layout: AnyLayout, x: FloatArray | None, play: Play, state: tuple[IntArray, ...]
) -> tuple[LinearProgram, Cells, csr_array, FloatArray]:
    """The program in payments by cell.

    Parameters
    ----------
    program : LinearProgram
        With payments: the payment form, or the sequence form.
    layout : AnyLayout
    x : float array or None
        Whose allocation columns are kept; None to choose the allocation too, by cell. Then no action may be recorded.
    play : Play
        With this allocation, if there is one.
    state : tuple over t of int arrays ``(slots,)``

    Returns
    -------
    program : LinearProgram
    cells : Cells
    matrix, offset : sparse array, float array
        From its variables to those of the program given, ``matrix @ u[:matrix.shape[1]] + offset``.
    """
    cells = cells_of(play, state, layout.unit)
    if not isinstance(layout, Layout):
        matrix, offset = _persistent(layout, x, play, state, cells)
        return substituted(program, matrix, offset), cells, matrix, offset
    worth = _worth(layout, play, state, cells, x is None)
    matrix, offset = _independent(layout, x, play, state, cells, worth)
    implied = closure(layout.plan.ir)
    if EPIR() not in implied:
        return substituted(program, matrix, offset), cells, matrix, offset
    lower = program.lower.copy()
    for block in (*layout.columns.lifetime, *layout.columns.realised):
        lower[block] = -np.inf
    free = substituted(replace(program, lower=readonly(lower)), matrix, offset)
    prefixes = PFIR() in implied and bool(layout.columns.realised)
    return _with_least_utility(free, play, state, cells, worth, prefixes), cells, matrix, offset


@dataclass(frozen=True, eq=False)
class _Worth:
    """Worth of each cell to its agent: a number where the allocation is fixed, else a value times a variable.

    Attributes
    ----------
    constant : float array ``(cells,)``
    value : float array ``(cells,)`` or None
        Of the variable of the cell, from column ``first`` on.
    first, width : int
        Number of variables before these, and in all.
    """

    constant: FloatArray
    value: FloatArray | None
    first: int
    width: int


def _worth(layout: Layout, play: Play, state: tuple[IntArray, ...], cells: Cells, free: bool) -> _Worth:
    first = cells.count + len(play.agents) * sum(len(part) for part in examples(state))
    if not free:
        return _Worth(cells.worth, None, first, first)
    value = np.zeros(cells.count)
    for t, places in enumerate(cells.place):
        for i, place in enumerate(places):
            value[place] = play.values[t][i, i + 1, play.profile[t]] / layout.unit
    return _Worth(np.zeros(cells.count), value, first, first + cells.count)


def _independent(
    layout: Layout, x: FloatArray | None, play: Play, state: tuple[IntArray, ...], cells: Cells, worth: _Worth
) -> tuple[csr_array, FloatArray]:
    """S and R in payments and expected utilities U, whose columns follow the cells'; then the allocation if free."""
    from scipy.sparse import csr_array

    n, horizon, columns, width = len(play.agents), play.horizon, layout.columns, worth.width
    sizes = [len(part) for part in examples(state)]
    first = cells.count + n * np.cumsum([0, *sizes])
    offset, known = np.zeros(columns.count), np.zeros(columns.count, dtype=bool)
    rows, places, data = list[IntArray](), list[IntArray](), list[FloatArray]()

    def entries(block: IntArray, column: IntArray, value: Array | float) -> None:
        rows.append(block)
        places.append(column)
        data.append(np.broadcast_to(np.asarray(value, dtype=np.float64), block.shape))

    for i in range(n):
        path, gone = np.zeros((1, 0), dtype=np.int64), np.zeros(1)  # cells on the way to each slot, and their worth
        for t in range(horizon + 1):
            blocks = [columns.lifetime[t][i]]
            if t < horizon:
                blocks += [columns.realised[t][i]] if columns.realised else []
                entries(blocks[0], first[t] + i * sizes[t] + state[t], 1.0)
            weight = play.own_present_value[i, cells.period[path]]
            for block in blocks:
                known[block], offset[block] = True, gone
                every = np.broadcast_to(block[:, None], path.shape)
                entries(every.ravel(), path.ravel(), -weight.ravel())
                if worth.value is not None:
                    entries(every.ravel(), worth.first + path.ravel(), (weight * worth.value[path]).ravel())
            if t < horizon:
                place = cells.place[t][i]
                path = np.concatenate([path[play.slot[t]], place[:, None]], axis=1)
                gone = gone[play.slot[t]] + play.own_present_value[i, t] * worth.constant[place]
    for block, place in zip(columns.allocation, cells.place, strict=True):
        known[block] = True
        if x is None:
            entries(block.ravel(), worth.first + place.ravel(), 1.0)
        else:
            offset[block] = x[block]
    others = np.flatnonzero(~known)  # of constraints on payments, say: they stay as they are
    entries(others, width + np.arange(len(others)), 1.0)
    row, column, value = (np.concatenate(part) for part in (rows, places, data))
    return csr_array((value, (row, column)), shape=(columns.count, width + len(others))), offset


def _with_least_utility(
    program: LinearProgram, play: Play, state: tuple[IntArray, ...], cells: Cells, worth: _Worth, prefixes: bool
) -> LinearProgram:
    """Add m, the least utility still to come, and its rows."""
    from scipy.sparse import csr_array

    n, horizon = len(play.agents), play.horizon
    sizes = np.array([len(part) for part in examples(state)])
    first = np.cumsum([0, *(n * sizes)])
    old, new = len(program.cost), int(first[-1])
    own = old + first[cells.period] + cells.agent * sizes[cells.period] + cells.state
    later = np.minimum(cells.period + 1, horizon - 1)
    after = np.where(cells.following >= 0, old + first[later] + cells.agent * sizes[later] + cells.following, -1)
    rows, weight = np.arange(cells.count), play.own_present_value[cells.agent, cells.period]
    followed = np.flatnonzero(after >= 0)
    entries = [
        (rows, own, np.ones(len(rows))),
        (rows, rows, weight),
        (followed, after[followed], -np.ones(len(followed))),
    ]
    if worth.value is not None:
        entries.append((rows, worth.first + rows, -weight * worth.value))
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = csr_array((value, (row, column)), shape=(len(rows), old + new))
    lower, upper = np.full(new, -np.inf), np.full(new, np.inf)
    lower[: first[1]] = 0.0
    if prefixes:
        upper[first[1] :] = 0.0
    bounds = np.full(cells.count, -np.inf), weight * worth.constant
    return extended(program, (lower, upper), matrix, *bounds)


def _persistent(
    layout: PersistentLayout, x: FloatArray | None, play: Play, state: tuple[IntArray, ...], cells: Cells
) -> tuple[csr_array, FloatArray]:
    """Weighted payments and values in payments by cell and values by state; other columns stay."""
    from scipy.sparse import csr_array

    columns, process, tree = layout.columns, layout.plan.process, layout.plan.tree
    fixed, group, scale = np.zeros(columns.count), np.full(columns.count, -1), np.ones(columns.count)
    first, known_columns = cells.count, list[IntArray]()
    for t in range(play.horizon):
        known_columns += [columns.allocation[t].ravel(), columns.payment[t].ravel(), columns.realised[t].ravel()]
        known_columns += [block.ravel() for block in columns.hidden[t]]
        known_columns += [block.ravel() for part in columns.value.values() for block in part[t]]
        if x is None:
            drawn = columns.allocation[t].shape[1]
            place = cells.place[t][0] - int(cells.place[t][0].min())
            group[columns.allocation[t]] = first + place[:, None] * drawn + np.arange(drawn)
            first += (int(place.max()) + 1) * drawn
        else:
            fixed[columns.allocation[t]] = x[columns.allocation[t]]
        mass = play.mass[t][play.slot[t]]
        group[columns.payment[t]] = np.where(mass > WEIGHTLESS, cells.place[t], -1)
        scale[columns.payment[t]] = play.own_present_value[:, t, None] * mass
        first = _free(columns.realised[t], play.mass[t] > WEIGHTLESS, group, first)
        for hidden in columns.hidden[t]:
            first = _free(hidden, np.ones(hidden.shape, dtype=bool), group, first)
        alone = process.agents == 1 and process.independent
        seen = np.zeros(play.slots[t], dtype=np.int64)
        if t and not alone:
            profile, branch = tree.before(t)
            seen = profile * tree.branches[t - 1] + branch
        for basis, by_agent in columns.value.items():
            for value, known in zip(by_agent[t], columns.states[basis][t], strict=True):
                live = play.mass[t][known.slot] > WEIGHTLESS
                code = np.stack([state[t][known.slot], seen[known.slot], known.own, known.earlier, known.profile])
                _, label = np.unique(code, axis=1, return_inverse=True)
                label = label.ravel()
                group[value] = np.where(live, first + label, -1)
                scale[value] = play.mass[t][known.slot]
                first += int(label.max(initial=-1)) + 1
    others = np.setdiff1d(np.arange(columns.count), np.concatenate(known_columns))
    first = _free(others, np.ones(len(others), dtype=bool), group, first)
    kept = np.flatnonzero(group >= 0)
    matrix = csr_array((scale[kept], (kept, group[kept])), shape=(columns.count, first))
    return matrix, fixed


def _free(block: IntArray, live: Array, group: IntArray, first: int) -> int:
    """Columns that stay as they are, where the mechanism may come; the next free number."""
    if not block.size:
        return first
    group[block] = np.where(live, first + np.arange(block.size).reshape(block.shape), -1)
    return first + block.size
