"""A public state as part of one buyer's signal: separable environments by state with any horizon, also an infinite one.

What everybody sees the one buyer sees too. Written into her signal it is hers to report, so that every mechanism for
the environment that results is one for that with the public state. The virtual pivot asks signals to be independent of
the initial one, and this one is: weights, policy, bound and payments are the same, for each first state, and it keeps
truth optimal also for who could misreport the state. With several agents the state would stand in everybody's signal,
and correlate them, which the pivots' formulas exclude.

Source: Kakade, Lobel and Nazerzadeh (2013), sections 2.1 and 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import joint_states, listed_states, state_names
from mechopt.environment.states.separable import grid_faults
from mechopt.environment.states.state import PublicState


def state_as_signal(
    cells: SeparableTypes | Sequence[SeparableTypes], states: PublicState | Sequence[PublicState]
) -> SeparableTypes:
    """Build the environment in which one buyer's signal contains what everybody sees.

    Parameters
    ----------
    cells : SeparableTypes, or sequence over states of SeparableTypes
        Of one agent, with any horizon: what there is at each state, several states in C order. ``base`` and
        ``signal_kernel`` may differ; cost and ``rate`` depend on no signal, and so on no state.
    states : PublicState or sequence of them
        They rule out no actions and are worth nothing to the seller.

    Returns
    -------
    SeparableTypes
        Signals are named "signal (state value)", states slowest.

    Raises
    ------
    InputError
        With everything that does not fit.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), sections 2.1 and 2.3.

    Examples
    --------
    An item for ever that is worth twice as much in good times, which come and go:

    >>> def times(worth):
    ...     return SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [worth]]], [[1]], [[[1]]], discount="1/2")
    >>> demand = PublicState(["bad", "good"], [1, 0], [["1/2", "1/2"]] * 2)
    >>> env = state_as_signal([times(1), times(2)], demand)
    >>> env
    SeparableTypes(1 agent, 2 actions, 2 initial types, 2 signals, infinite horizon)
    >>> env.signals[0]
    ('0 (state bad)', '0 (state good)')
    """
    require_type(cells, ("SeparableTypes", tuple, list), "state_as_signal", "give an environment, or one by state")
    listed = listed_states(states)
    names = state_names(listed)
    given = [cells] * len(names) if isinstance(cells, SeparableTypes) else list(cells)
    faults = _faults(given, listed, len(names))
    if faults:
        raise InputError(faults)
    exact = all(cell.exact is not None for cell in given)
    sources: list[Any] = [cell.exact if exact else cell for cell in given]
    kind: Any = object if exact else np.float64
    first, moves, _ = joint_states(listed, len(given[0].actions))
    base = np.concatenate([np.array(source.base[0], dtype=kind) for source in sources], axis=1)
    kernels = [np.array(source.signal_kernel[0], dtype=kind) for source in sources]
    rows = [
        np.concatenate([moves[:, s, to].astype(kind)[:, None, None] * kernel for to in range(len(names))], axis=2)
        for s, kernel in enumerate(kernels)
    ]
    start = np.multiply.outer(first.astype(kind), np.array(sources[0].signal_initial[0], dtype=kind)).ravel()
    one, source = given[0], sources[0]
    return SeparableTypes(
        initial_values=source.initial_values,
        initial_probabilities=source.initial_probabilities,
        base=[base.tolist()],
        signal_initial=[start.tolist()],
        signal_kernel=[np.concatenate(rows, axis=1).tolist()],
        form=one.form,
        level=source.level,
        rate=source.rate,
        cost=source.cost,
        horizon=one.horizon,
        discount=source.discount,
        names=one.names,
        actions=one.actions,
        signals=[[f"{signal} ({name})" for name in names for signal in one.signals[0]]],
    )


def _faults(cells: list[Any], states: Sequence[PublicState], count: int) -> list[Fault]:
    if not states:
        return [Fault("states", "is empty", "give at least one public state")]
    faults = [
        Fault(f"cells[{s}]", f"is {type(cell).__name__}", "give a SeparableTypes")
        for s, cell in enumerate(cells)
        if not isinstance(cell, SeparableTypes)
    ]
    if len(cells) != count:
        faults.append(Fault("cells", f"has {len(cells)} entries for {count} states", "give one a state"))
    for j, state in enumerate(states):
        if state.forbidden or state.seller_values is not None:
            what = "rules out actions, or is worth something to the seller, which signals do not"
            faults.append(Fault(f"states[{j}]", what, "take mo.families.SeparableStates with a finite horizon"))
    if faults:
        return faults
    one = cells[0]
    if one.agents > 1:
        what = "are several: the state would be in the signal of each of them, and correlate them"
        return [Fault("agents", what, "take mo.families.SeparableStates with a finite horizon")]
    if one.form == ("general",) or one.correlated:
        return [Fault("form", "is general, or signals depend on the initial one", "the theorem's form is separable")]
    if one.seller_values is not None or one.outside is not None or one.discounts is not None:
        return [Fault("cells", "has seller_values, outside or discounts", "leave them out")]
    finite = [replace(cell, horizon=1) if one.infinite else cell for cell in cells]
    faults = [fault for fault in grid_faults([finite], states) if not fault.where.startswith("cells[0][0]")]
    for s, cell in enumerate(cells[1:], 1):
        for name, own, other in (("cost", cell.cost, one.cost), ("rate", cell.rate[0], one.rate[0])):
            if own is not None and not np.array_equal(own, other):
                fix = "it depends on no signal; take mo.families.SeparableStates with a finite horizon"
                faults.append(Fault(f"cells[{s}].{name}", "differs from the first state's", fix))
    return faults
