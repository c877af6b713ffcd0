r"""Separable environments that change by period and public state: an initial signal, and what everybody sees.

Agent i knows her initial type k at contracting, t = 0. In the periods t = 1, ..., T everybody sees a public state s,
which moves by Q(s' | s, a) and tells nothing of what is private; she knows a signal z that moves by g_t(z' | z, a, s),
and an action is worth to her::

    multiplicative   v = A(k) B_t(a, z, s)          additive   v = A(k) C_t(a, s) + B_t(a, z, s)

at a cost c_t(a, s) to the seller. Levels A, initial types and the first signal depend on neither. Each pair of a period
and a state is a separable environment by itself, a *cell*; a period is a state of the calendar, so that one without
public states is one with a single state. What was done before is a public state as well: let the actions move it.

The virtual pivot's formulas stand with the state beside the signals, as long as Q depends on nobody's signal: else what
the others lose would be expected at a report, and truth fails.

Source: Kakade, Lobel and Nazerzadeh (2013), sections 2.1 and 2.3 (public signals and functions B_t, C_t by period).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type, shortened
from mechopt.core.numbers import Array, FloatArray
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import PublicStates, joint_states, listed_states, ruled_out, state_faults
from mechopt.environment.states.parts import parts_of
from mechopt.environment.states.state import PublicState

ALIKE = ("form", "actions", "names", "signals", "horizon", "initial_values", "initial_probabilities", "level")
"""What cells have in common."""


FOR_EVER = (
    "write a number of periods: tables by period have no end else, and of public states one buyer takes "
    "mo.families.state_as_signal"
)
"""What to do with an infinite horizon."""


class SeparableStates(PublicStates):
    """A separable environment with a finite horizon whose tables depend on the period and on public states.

    Parameters
    ----------
    cells : SeparableTypes, or sequence over allocation periods of SeparableTypes or of sequences of them over states
        What there is in a period at a state: ``base``, ``rate``, ``signal_kernel`` (to the next period), ``cost`` and
        ``seller_values`` may differ. States in C order. The horizon is the first one's.
    states : PublicState or sequence of them
        They move independently of each other, given the action, from t = 1 on; the first ones are seen at contracting.

    Attributes
    ----------
    cells : ``cells[t][s]``: SeparableTypes of allocation period t + 1 at state s

    Raises
    ------
    InputError
        If cells do not fit together, or the horizon is infinite.
    LimitError
        If there are too many profiles.

    Examples
    --------
    An item that is worth twice as much in the second period, and one that is in high demand at one of two states:

    >>> env = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [1]]], [[1]], [[[1]]], horizon=2)
    >>> double = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [2]]], [[1]], [[[1]]], horizon=2)
    >>> SeparableStates([env, double]).first_best
    4.5
    >>> demand = PublicState(["low", "high"], [1, 0], [["1/2", "1/2"], [0, 1]])
    >>> SeparableStates([[env, double]] * 2, demand).first_best
    3.75
    """

    cells: tuple[tuple[SeparableTypes, ...], ...]

    def __init__(
        self,
        cells: SeparableTypes | Sequence[SeparableTypes] | Sequence[Sequence[SeparableTypes]],
        states: PublicState | Sequence[PublicState] = (),
    ) -> None:
        listed = listed_states(states)
        grid = _grid(cells, prod(len(state.values) for state in listed))
        first = grid[0][0]
        if faults := grid_faults(grid, listed):
            raise InputError(faults)
        object.__setattr__(self, "given", (grid, listed))
        object.__setattr__(self, "cells", grid)
        exclusion = _exclusion_matters(grid, listed)
        periods = min(2, len(grid))
        parts = parts_of(first.to_markov(exclusion))
        known: dict[int, Any] = {}
        for row in grid:
            for cell in row:
                if id(cell) not in known:
                    known[id(cell)] = parts_of(replace(_plain(cell), horizon=periods).to_markov(exclusion))
        if any(part.initial.dtype != object for part in (parts, *known.values())):
            parts, known = parts.as_floats(), {key: part.as_floats() for key, part in known.items()}
        parts.cells = [[known[id(cell)] for cell in row] for row in grid]
        self._join(first.to_markov(exclusion), parts, listed, contracting=True)

    @property
    def separable(self) -> bool:
        """Whether the theorem's form is met in every period and state."""
        return all(cell.separable for row in self.cells for cell in row)

    @property
    def initial_shape(self) -> tuple[int, ...]:
        """Number of initial types of each agent."""
        return self.cells[0][0].initial_shape

    @cached_property
    def state_initial(self) -> FloatArray:
        """Distribution of the states together at contracting, ``(state,)``."""
        return joint_states(self.states, 1)[0].astype(np.float64)

    @cached_property
    def state_kernel(self) -> FloatArray:
        """How the states together move in the allocation periods, ``(action, state, next)``."""
        return joint_states(self.states, len(self.cells[0][0].actions))[1].astype(np.float64)

    @cached_property
    def state_costs(self) -> tuple[FloatArray, ...]:
        """The seller's cost less what states are worth to her, by allocation period, ``(state, action)``."""
        gains = joint_states(self.states, len(self.cells[0][0].actions))[2]
        costs = [np.stack([cell.cost for cell in row]) for row in self.cells]
        return tuple(row if gains is None else row - gains.T.astype(np.float64) for row in costs)

    @property
    def state_forbidden(self) -> Array:
        """Which actions states rule out in the allocation periods, ``(action, state)``."""
        return self.forbidden[1]

    def __repr__(self) -> str:
        named = [f"{state.name} ({len(state.values)} values)" for state in self.states] or ["by period"]
        return f"SeparableStates({self.cells[0][0]!r}, {', '.join(named)})"


def separable_by_period(cells: Sequence[SeparableTypes]) -> SeparableTypes | SeparableStates:
    """Build the environment whose tables are those of a separable environment by period.

    Parameters
    ----------
    cells : sequence over allocation periods of SeparableTypes
        Of that horizon each; see `SeparableStates`.

    Returns
    -------
    SeparableTypes or SeparableStates
        The first where all are equal: then nothing depends on the period.
    """
    require_type(cells, (tuple, list), "separable_by_period", "give a list of SeparableTypes, one a period")
    plain = [cell for cell in cells if isinstance(cell, SeparableTypes)]
    same = len(plain) == len(cells) > 0 and len({cell.fingerprint for cell in plain}) == 1
    return plain[0] if same and len(plain) == plain[0].horizon else SeparableStates(cells)


def grid_faults(grid: Any, states: Sequence[PublicState]) -> list[Fault]:
    """Faults of cells and states, each without faults of its own, that do not fit together."""
    first = grid[0][0]
    faults = [
        fault
        for t, row in enumerate(grid)
        for s, cell in enumerate(row)
        for fault in _unlike(cell, first, f"cells[{t}][{s}]")
    ]
    faults = faults or (state_faults(first, states) if states else [])
    if not faults and first.outside is not None and _exclusion_matters(grid, states):
        fix = "leave it out, or add an action that costs least and is worth nothing to anyone"
        what = "is what agents have who are left out, which matters here, and the unfolded form has no such types"
        faults.append(Fault("outside", what, fix))
    return faults


def _plain(cell: SeparableTypes) -> SeparableTypes:
    """A cell without what is given for the whole horizon."""
    return cell if cell.outside is None and cell.discounts is None else replace(cell, outside=None, discounts=None)


def _grid(cells: Any, count: int) -> tuple[tuple[SeparableTypes, ...], ...]:
    """Cells by period and state, which fit together."""
    if isinstance(cells, SeparableTypes):
        if isinstance(cells.horizon, str):
            raise InputError([Fault("horizon", "is infinite", FOR_EVER)])
        cells = [cells] * cells.horizon
    require_type(cells, (tuple, list), "SeparableStates", "give a SeparableTypes, or a list of them by period")
    rows = [[row] * count if not isinstance(row, (tuple, list)) else list(row) for row in cells]
    faults = []
    for t, row in enumerate(rows):
        if len(row) != count:
            faults.append(Fault(f"cells[{t}]", f"has {len(row)} entries for {count} states", "give one a state"))
        for s, cell in enumerate(row):
            if not isinstance(cell, SeparableTypes):
                faults.append(Fault(f"cells[{t}][{s}]", f"is {type(cell).__name__}", "give a SeparableTypes"))
    if not rows:
        faults.append(Fault("cells", "is empty", "give one environment a period"))
    if faults:
        raise InputError(faults)
    first = rows[0][0]
    if first.horizon != len(rows):
        fix = FOR_EVER if first.infinite else "give one a period"
        raise InputError([Fault("cells", f"has {len(rows)} periods for a horizon of {first.horizon!r}", fix)])
    return tuple(map(tuple, rows))


def _unlike(cell: SeparableTypes, first: SeparableTypes, at: str) -> list[Fault]:
    if cell is first:
        return []
    mine, theirs = cell.exact or cell, first.exact or first
    found = []
    for key in (*ALIKE, "signal_initial", "discount", "outside", "discounts"):
        own, other = (getattr(source, key, getattr(env, key)) for source, env in ((mine, cell), (theirs, first)))
        if not _equal(own, other):
            what = f"is {shortened(repr(own))}, of the first period {shortened(repr(other))}"
            found.append(Fault(f"{at}.{key}", what, "it is the same in all periods and states"))
    return found


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _exclusion_matters(grid: Sequence[Sequence[SeparableTypes]], states: Sequence[PublicState]) -> bool:
    """Whether leaving agents out may bring more than doing nothing for them; see `SeparableTypes.exclusion_matters`."""
    first = grid[0][0]
    if any(cell.exclusion_matters for row in grid for cell in row):
        return True
    if any(state.seller_values is not None for state in states):
        return True
    ruled = ruled_out(first.to_markov(False), states)[1] if states else np.zeros((len(first.actions), 1), dtype=bool)
    for row in grid:
        for s, cell in enumerate(row):
            worth = np.array([table.any(axis=(1, 2)) for table in cell.value_tables]).any(axis=0)
            if not bool((~worth & (cell.cost <= cell.cost.min()) & ~ruled[:, s]).any()):
                return True
    steered = any(len(set(state.kernel)) > 1 for state in states)
    fixed = first.agents == 1 and all((cell.cost == row[0].cost).all() for row in grid for cell in row)
    return steered and not fixed
