"""A public state in one buyer's signal: the same numbers as with the state beside it, and an infinite horizon."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.families import PublicState, SeparableStates, state_as_signal
from tests.closedform.public.raw import random_cells


def instance(seed, horizon):
    """Cells of one multiplicative buyer by state, with one cost, and a state that actions move; a certain first one."""
    cells, state = random_cells(seed, ["multiplicative"], [2 + seed % 2], [2], 2 + seed % 2, horizon, 2)
    row = [replace(cell, cost=cells[0][0].cost, exact=None) for cell in cells[0]]
    return row, PublicState(state.values, [1, 0], [[list(r) for r in m] for m in state.kernel])


def agrees(seed):
    """Bound, utilities, gains at contracting and revenue with a finite horizon; menus where both have one."""
    horizon = 1 + seed % 3
    cells, state = instance(seed, horizon)
    beside, inside = SeparableStates([cells] * horizon, state), state_as_signal(cells, state)
    one, other = mo.virtual_pivot(beside), mo.virtual_pivot(inside)
    assert other.bound == pytest.approx(one.bound, abs=1e-9)
    assert other.utilities == pytest.approx(one.utilities, abs=1e-9)
    assert other.profit == pytest.approx(one.profit, abs=1e-9)
    assert other.contracting_gain == pytest.approx(one.contracting_gain, abs=1e-8)
    if horizon < 3:
        # a state that must be told is one more thing to misreport
        assert mo.optimum(inside).value <= mo.optimum(beside).value + 1e-7
        assert mo.relaxed_optimum(inside).value == pytest.approx(mo.relaxed_optimum(beside).value, abs=1e-6)


def test_numbers_are_those_with_the_state_beside():
    for seed in range(9):
        agrees(seed)


@pytest.mark.slow
def test_numbers_are_those_with_the_state_beside_in_bulk():
    for seed in range(100, 220):
        agrees(seed)


def test_for_ever_is_the_limit():
    for seed in range(4):
        cells, state = instance(seed, 1)
        cells = [replace(cell, discount=0.5, exact=None) for cell in cells]
        endless = [replace(cell, horizon="infinite", exact=None) for cell in cells]
        found = mo.virtual_pivot(state_as_signal(endless, state))
        # W after contracting by repeated substitution over states and signals, from nothing
        d, moves = 0.5, np.array([[[float(p) for p in r] for r in m] for m in state.kernel])
        bound = 0.0
        for k, f in enumerate(cells[0].initial_probabilities[0]):
            alpha = found.virtual[0].alpha[k]
            value = np.zeros((2, 2))
            for _ in range(80):
                rows = np.empty((2, 2, len(cells[0].actions)))
                for s, cell in enumerate(cells):
                    for z in range(2):
                        for a in range(len(cell.actions)):
                            later = moves[a, s] @ value @ cell.signal_kernel[0][a, z]
                            worth = max(alpha, 0) * cell.value_tables[0][a, k, z] if alpha > 0 else 0.0
                            rows[s, z, a] = worth - cell.cost[a] + d * later
                value = rows.max(axis=2)
            bound += f * d * float(cells[0].signal_initial[0] @ value[0])
        assert found.bound == pytest.approx(bound, abs=1e-9)
        report = mo.verify(found)
        assert (report["periodic-ex-post-rereport"].status == "satisfied") == (found.regime == "a")
        assert not report.undecided


def test_what_is_refused():
    cells, state = instance(0, 1)
    with pytest.raises(mo.InputError, match=r"cells\[1\].cost: differs from the first state's"):
        state_as_signal([cells[0], replace(cells[1], cost=[0, 11], exact=None)], state)
    with pytest.raises(mo.InputError, match="cells: has 1 entries for 2 states"):
        state_as_signal(cells[:1], state)
    with pytest.raises(mo.InputError, match="correlate them"):
        state_as_signal(random_cells(0, ["multiplicative"] * 2, [2, 2], [1, 1], 2, 1, 2)[0][0], state)
    with pytest.raises(mo.InputError, match="rules out actions"):
        state_as_signal(cells, PublicState(["a", "b"], [1, 0], forbidden={"a": ["1"]}))
    with pytest.raises(mo.InputError, match="state_as_signal"):
        SeparableStates([[replace(cell, horizon="infinite", discount=0.5, exact=None) for cell in cells]], state)
