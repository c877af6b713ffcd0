r"""Virtual and dynamic pivot where tables depend on the period and on what everybody sees.

Everything is given the public state s_0 at contracting. With weights of the reports k at contracting,
``beta_t(a, s) = -h dA C_t(a, s)`` of additive agents, and W, W_{-i} of `mechopt.closedform.public.process`::

    bound = E sum_k f(k) max_S d E[W^k_S(s_1, z)]                                                       (8)
    p_i   = (1/alpha_i) [W_{-i} - sum_{j != i} w_j(a*) - beta_i(a*) + c(a*) - d E[W_{-i}' | a*]]        (22)

and contracting as in `mechopt.closedform.virtual.pivot`: (24), (25), exclusion, interval dominance (16). The dynamic
pivot has alpha = 1, beta = 0; at contracting it takes in the set S whose welfare is largest, and p_i there is
``max_{S without i} d E W_S - d E W_{S* without i}``.

Source: Kakade, Lobel and Nazerzadeh (2013), Theorem 4.1 and section 2.3; Bergemann and Valimaki (2010), Theorem 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mechopt.closedform.public.mechanism import After, Profile, PublicPivot, every
from mechopt.closedform.public.process import Program, Setting, Tables
from mechopt.closedform.virtual.weights import VirtualWeights, theorem_faults, virtual_values_of, virtual_weights
from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.environment.require_kind import require_plain_terms, require_seller_values
from mechopt.environment.states.separable import SeparableStates
from mechopt.mechanism.constraints import PeriodicExPostIC

TIE = 1e-11
MAX_PROFILES = 20_000
Weights = list[list[tuple[VirtualWeights, ...]]]


def public_virtual_pivot(environment: SeparableStates, ironed: bool = False) -> PublicPivot:
    """Build the virtual pivot mechanism; see `mechopt.virtual_pivot`.

    Parameters
    ----------
    environment : SeparableStates
    ironed : bool

    Raises
    ------
    InputError
        With everything that the theorem does not allow, by period and state.
    LimitError
        If there are too many profiles of initial types.
    """
    _require(environment, "virtual_pivot")
    faults = [
        Fault(f"cells[{t}][{s}].{fault.where}", fault.what, fault.fix)
        for t, row in enumerate(environment.cells)
        for s, cell in enumerate(row)
        for fault in theorem_faults(cell)
    ]
    if faults:
        raise InputError(faults)
    weights: Weights = [[virtual_weights(cell, ironed) for cell in row] for row in environment.cells]
    first, agents = weights[0][0], range(environment.agents)
    setting, setting_of_pairs = setting_of(environment, pairs=False), setting_of(environment, pairs=True)
    free = [i for i in agents if not first[i].multiplicative]
    parts: dict[tuple[int, Profile], tuple[Program, After, list[float]]] = {}
    for s, profile in every(environment):
        certain = [i for i in agents if first[i].multiplicative and first[i].virtual_level[profile[i]] > 0]
        tables = {i: _weighted(environment, weights, i, profile[i], profile[i]) for i in (*certain, *free)}
        program, bound = _best_set(environment, setting, tables, certain, free, s)
        parts[s, profile] = program, *_included(environment, weights, program, bound, s, profile)
    after = {key: _with_contract(environment, parts, first, key) for key in parts}
    gains = _gains(environment, weights, after, {key: part[0] for key, part in parts.items()})

    def pairs(found: After) -> Program:
        return Program(setting_of_pairs, found.members, _pair_tables(environment, found))

    return PublicPivot(environment, "virtual pivot", (), after, gains, pairs)


def public_bound(environment: SeparableStates) -> float:
    """Bound what any mechanism earns, whatever the forms; see `mechopt.mechanisms.virtual_bound`.

    Parameters
    ----------
    environment : SeparableStates
    """
    _require(environment, "virtual_bound")
    if not any(theorem_faults(cell) for row in environment.cells for cell in row):
        return public_virtual_pivot(environment).bound
    agents, setting, bound = range(environment.agents), setting_of(environment, pairs=False), 0.0
    distribution = environment.cells[0][0].initial_distribution
    whole = [
        [
            [cell.value_tables[i] if cell.signal_initial[i].ndim > 1 else virtual_values_of(cell, i) for cell in row]
            for row in environment.cells
        ]
        for i in agents
    ]
    for s, profile in every(environment):
        tables: dict[int, Tables] = {i: [[table[:, profile[i]] for table in row] for row in whole[i]] for i in agents}
        value = _best_set(environment, setting, tables, [], list(agents), s, profile)[1]
        bound += float(environment.state_initial[s] * distribution[profile]) * value
    return bound


def public_dynamic_pivot(environment: SeparableStates) -> PublicPivot:
    """Build the dynamic pivot mechanism; see `mechopt.dynamic_pivot`.

    Parameters
    ----------
    environment : SeparableStates
        Of any form.
    """
    _require(environment, "dynamic_pivot")
    agents, setting = range(environment.agents), setting_of(environment, pairs=False)
    pairs_setting = setting_of(environment, pairs=True)
    free = list(agents) if environment.base.action_counts[0] > 1 else []
    certain = [] if free else list(agents)
    nothing = [[np.zeros(len(cell.actions)) for cell in row] for row in environment.cells]
    after: dict[tuple[int, Profile], After] = {}
    for s, profile in every(environment):
        tables: dict[int, Tables] = {
            i: [[cell.value_tables[i][:, profile[i]] for cell in row] for row in environment.cells] for i in agents
        }
        program, bound = _best_set(environment, setting, tables, certain, free, s, profile)
        fees, utilities, upfront, worth = list[Any](), list[float](), list[float](), 0.0
        for i in agents:
            rest = [j for j in program.members if j != i]
            left = Program(setting, tuple(rest), tables)
            value = expected_at(environment, left.best[0][0], rest, s, profile)
            others = {j: table for j, table in tables.items() if j != i}
            stays, may = ([j for j in group if j != i] for group in (certain, free))
            alone = _best_set(environment, setting, others, stays, may, s, profile)[1]
            upfront.append(alone - value)
            utilities.append(bound - alone)
            if i in program.members:
                picked = [program.at_policy(t, row, i) for t, row in enumerate(tables[i])]
                worth += expected_at(environment, program.total(picked), program.members, s, profile)
                fees.append((1.0, nothing))
            else:
                fees.append(None)
        after[s, profile] = After(
            program.members, bound, tuple(utilities), tuple(upfront), worth, worth - bound, tuple(fees)
        )

    def pairs(found: After) -> Program:
        rows: dict[int, Tables] = {
            i: [[_flat(cell.value_tables[i]) for cell in row] for row in environment.cells] for i in found.members
        }
        return Program(pairs_setting, found.members, rows)

    return PublicPivot(environment, "dynamic pivot", (PeriodicExPostIC(),), after, {}, pairs)


def _require(environment: SeparableStates, name: str) -> None:
    require_plain_terms(environment, name)
    for cell in {id(cell): cell for row in environment.cells for cell in row}.values():
        require_seller_values(cell, name, "none")
    sets = int(np.prod(environment.initial_shape, dtype=object)) * 2**environment.agents
    if sets > MAX_PROFILES:
        raise LimitError(
            f"{sets:,} profiles of initial types and sets of agents are more than {MAX_PROFILES:,}; "
            "use fewer initial types or agents"
        )


def _flat(table: FloatArray) -> FloatArray:
    """``(action, initial, signal)`` with the last two as one axis."""
    return table.reshape(len(table), -1)


def setting_of(environment: SeparableStates, pairs: bool = False) -> Setting:
    """States, costs and kernels of an environment, of signals or of pairs of initial type and signal."""
    kernels: list[Any] = []
    for i, count in enumerate(environment.initial_shape):
        rows = []
        for row in environment.cells[:-1]:
            own = [np.broadcast_to(c.signal_kernel[i], (len(c.actions), *c.signal_kernel[i].shape[1:])) for c in row]
            rows.append([np.kron(np.eye(count), kernel) for kernel in own] if pairs else own)
        kernels.append(rows)
    return Setting(
        environment.state_kernel,
        environment.state_costs,
        environment.state_forbidden,
        kernels,
        environment.discount,
    )


def _weighted(environment: SeparableStates, weights: Weights, i: int, report: int, true: int) -> Tables:
    """Weighted values of a type with the weights of a report, ``[t][s]``: ``(action, signal)``."""
    return [
        [own[i].flow(report, cell.value_tables[i][:, true]) for own, cell in zip(ws, row, strict=True)]
        for ws, row in zip(weights, environment.cells, strict=True)
    ]


def expected_at(
    environment: SeparableStates, values: FloatArray, members: Sequence[int], s: int, profile: Profile | None = None
) -> float:
    """Expectation over first signals at a state, of ``(state, *signals)``, present value as of contracting."""
    found, first = values[s], environment.cells[0][0].signal_initial
    for i in members:
        distribution = first[i]
        if distribution.ndim > 1:
            assert profile is not None
            distribution = distribution[profile[i]]
        found = np.tensordot(distribution, found, axes=(0, 0))
    return environment.discount * float(found)


def _best_set(
    environment: SeparableStates,
    setting: Setting,
    tables: dict[int, Tables],
    certain: Sequence[int],
    free: Sequence[int],
    s: int,
    profile: Profile | None = None,
) -> tuple[Program, float]:
    """The program of all certain agents and the smallest best set of free ones, and what it brings."""
    best: tuple[Program, float] | None = None
    for size in range(len(free) + 1):
        for chosen in combinations(free, size):
            members = tuple(sorted([*certain, *chosen]))
            program = Program(setting, members, tables)
            value = expected_at(environment, program.best[0][0], members, s, profile)
            if best is None or value > best[1] + TIE * abs(best[1]):
                best = program, value
    assert best is not None
    return best


def _included(
    environment: SeparableStates, weights: Weights, program: Program, bound: float, s: int, profile: Profile
) -> tuple[After, list[float]]:
    """Continuation, contracting left out (upfront holds worth less later payments), and Xbar by agent."""
    cost = _cost(environment, program, s)
    values, net, slopes, fees = 0.0, list[float](), list[float](), list[Any]()
    for i in range(environment.agents):
        if i not in program.members:
            net, slopes, fees = [*net, 0.0], [*slopes, 0.0], [*fees, None]
            continue
        own = [[cell.value_tables[i][:, profile[i]] for cell in row] for row in environment.cells]
        slope = [[np.asarray(w[i].slope) for w in row] for row in weights]
        alpha = float(weights[0][0][i].alpha[profile[i]])
        beta = [[w[i].beta[profile[i]] for w in row] for row in weights]
        periods = range(len(own))
        worth = expected_at(
            environment, program.total([program.at_policy(t, own[t], i) for t in periods]), program.members, s
        )
        rent = expected_at(
            environment, program.total([program.at_policy(t, slope[t], i) for t in periods]), program.members, s
        )
        paid = expected_at(
            environment, program.total([program.payment(i, t, alpha, beta[t]) for t in periods]), program.members, s
        )
        values += worth
        net.append(worth - paid)
        slopes.append(rent)
        fees.append((alpha, beta))
    none = (0.0,) * environment.agents
    return After(program.members, bound, none, tuple(net), values, cost, tuple(fees)), slopes


def _cost(environment: SeparableStates, program: Program, s: int) -> float:
    rewards = [program.at_policy(t, list(costs)) for t, costs in enumerate(environment.state_costs)]
    return expected_at(environment, program.total(rewards), program.members, s)


def _with_contract(
    environment: SeparableStates, parts: dict[Any, Any], first: Sequence[VirtualWeights], key: tuple[int, Profile]
) -> After:
    """Utilities (24) and upfront payments (25)."""
    (s, profile), found = key, parts[key][1]
    utility = []
    for i, k in enumerate(profile):
        level = first[i].level
        below = [parts[s, (*profile[:i], j, *profile[i + 1 :])][2][i] for j in range(k)]
        utility.append(sum(float(level[j + 1] - level[j]) * slope for j, slope in enumerate(below)))
    upfront = tuple(net - rent for net, rent in zip(found.upfront, utility, strict=True))
    return After(found.members, found.bound, tuple(utility), upfront, found.values, found.cost, found.weights)


def _gains(
    environment: SeparableStates, weights: Weights, after: dict[Any, After], programs: dict[Any, Program]
) -> dict[tuple[int, int, Profile], FloatArray]:
    """Right less left side of (16) by state, agent and profile with her report."""
    found = {}
    for (s, report), contract in after.items():
        program = programs[s, report]
        for i, count in enumerate(environment.initial_shape):
            truths = [after[s, (*report[:i], k, *report[i + 1 :])].utility[i] for k in range(count)]
            gain = contract.utility[i] - np.array(truths)
            own = contract.weights[i]
            for k in range(count) if own is not None else ():
                if k == report[i]:
                    continue
                tables = program.tables | {i: _weighted(environment, weights, i, report[i], k)}
                other = Program(program.setting, program.members, tables).best[0][0]
                rise = expected_at(environment, other, program.members, s) - contract.bound
                assert own is not None
                gain[k] += rise / own[0]
            found[s, i, report] = gain
    return found


def _pair_tables(environment: SeparableStates, found: After) -> dict[int, Tables]:
    """Weighted values of pairs of initial type and signal with the weights of what was reported at contracting."""
    tables: dict[int, Tables] = {}
    for i in found.members:
        own = found.weights[i]
        assert own is not None
        alpha, beta = own
        tables[i] = [
            [alpha * _flat(cell.value_tables[i]) + b[:, None] for cell, b in zip(row, betas, strict=True)]
            for row, betas in zip(environment.cells, beta, strict=True)
        ]
    return tables
