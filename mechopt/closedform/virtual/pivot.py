r"""The virtual pivot mechanism: subscription by initial type, then a pivot mechanism for weighted welfare.

At contracting agents report their initial types k; the mechanism fixes weights alpha, beta (`virtual_weights`) and the
included agents S, and charges upfront payments. From period 1 on it runs the weighted pivot of `virtual_phase`. With
``dA_k = A_{k+1} - A_k`` and Xbar_k the expected discounted sum of X(a*) under report k (0 where excluded)::

    bound  = sum_k f(k) max_S d E[W^k_S(z)]                                                              (8)
    U_k    = sum_{j < k} dA_j Xbar_j,   p*_k = V_k - U_k                                                 (24)
    p_0(k) = p*_k - E sum_{t >= 1} d^t p_t                                                               (25)

all given the others' reports. Excluded agents get nothing, and pay nothing unless types below are included, who then
leave a rent U_k. A multiplicative agent is excluded where alpha <= 0; for additive ones the best set is sought, and of
equal ones the smallest taken.

The seller's profit equals the bound identically, whether or not the mechanism is incentive compatible. With finitely
many types *regularity is not enough for that*, other than with a continuum: reporting k' and then the truth is worth ::

    U_{k'} + (1 / alpha_{k'}) d E[W^{k'}(A_k) - W^{k'}(A_{k'})]

to type k, which must be at most U_k: the interval dominance (16). Where it holds the mechanism is periodic ex post
incentive compatible and optimal. Else other payments may implement the same policy, or none; see `regime`.

Source: Kakade, Lobel and Nazerzadeh (2013), Theorem 4.1; equation numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, overload

import numpy as np

from mechopt.closedform.pivot.efficient import TIE, solve
from mechopt.closedform.public.mechanism import PublicPivot
from mechopt.closedform.public.pivot import public_bound, public_virtual_pivot
from mechopt.closedform.virtual.mechanism import VirtualPivot, payment_stages
from mechopt.closedform.virtual.phase import expected_first, phase, signal_chains
from mechopt.closedform.virtual.weights import theorem_faults, virtual_values_of, virtual_weights
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.require_kind import require_kind
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.separable import SeparableStates

MAX_PROFILES = 20_000
"""Largest number of profiles of initial types times sets of agents to choose from."""


@overload
def virtual_pivot(environment: SeparableTypes, ironed: bool = False) -> VirtualPivot: ...
@overload
def virtual_pivot(environment: SeparableStates, ironed: bool = False) -> PublicPivot: ...
def virtual_pivot(environment: SeparableTypes | SeparableStates, ironed: bool = False) -> VirtualPivot | PublicPivot:
    """Build the virtual pivot mechanism.

    Parameters
    ----------
    environment : SeparableTypes, or SeparableStates with tables by period and public state
        Separable, with levels that do not fall, and nonnegative values (multiplicative) or rates (additive).
    ironed : bool
        Whether virtual levels that fall are ironed. Without, the mechanism is the published one: its bound is (8) as it
        stands, which then lies above what any mechanism earns. Ironed, the bound is the largest profit where only
        initial types are private.

    Returns
    -------
    VirtualPivot, or PublicPivot of `SeparableStates`

    Raises
    ------
    InputError
        With everything that the theorem does not allow.
    LimitError
        If there are too many profiles of initial types.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Theorem 4.1.

    Examples
    --------
    One buyer of initial type 1 or 2, and a signal 0 or 1, each even; the item is worth their product and costs 1/2.
    L = (0, 2): only type 2 is sold to, at a price equal to the cost as alpha = 1; she pays her surplus upfront.

    >>> half, base = [["1/2", "1/2"]], [[[0, 0], [0, 1]]]
    >>> pivot = virtual_pivot(SeparableTypes([[1, 2]], half, base, half, cost=[0, "1/2"], horizon=1))
    >>> pivot.bound, pivot.profit, pivot.menu, pivot.regime
    (0.375, 0.375, (Contract(price=0.5, upfront=0.75),), 'a')
    """
    if isinstance(environment, SeparableStates):
        return public_virtual_pivot(environment, ironed)
    require_kind(environment, "separable", "virtual_pivot")
    virtual = virtual_weights(environment, ironed)
    shape, agents = environment.initial_shape, range(environment.agents)
    free = [i for i in agents if not virtual[i].multiplicative]
    _require(environment, 2 ** len(free))
    included = np.zeros((*shape, environment.agents), dtype=bool)
    bound, cost = 0.0, np.zeros(shape)
    worth, slope, paid = ([np.zeros(shape) for _ in agents] for _ in range(3))
    phases = np.empty(shape, dtype=object)
    for profile in product(*map(range, shape)):
        certain = [i for i in agents if virtual[i].multiplicative and virtual[i].virtual_level[profile[i]] > 0]
        tables = [
            virtual[i].flow(profile[i], values[:, profile[i]])
            if i in (*certain, *free)
            else np.zeros_like(values[:, 0])
            for i, values in enumerate(environment.value_tables)
        ]
        members, best = _best_set(environment, tables, certain, free)
        bound += float(environment.initial_distribution[profile]) * best
        here = phase(signal_chains(environment, tables), members)
        phases[profile] = here
        included[profile][members] = True
        cost[profile] = expected_first(environment, members, here.total(here.at_policy(environment.cost)))
        for i in members:
            own = environment.value_tables[i][:, profile[i]]
            worth[i][profile] = expected_first(environment, members, here.total(here.at_policy(own, i)))
            slope[i][profile] = expected_first(environment, members, here.total(here.at_policy(virtual[i].slope, i)))
            stages = payment_stages(virtual, here, i, profile)
            paid[i][profile] = expected_first(environment, members, here.total(stages))
    included.setflags(write=False)
    utility = [_utility(virtual[i].level, slope[i], i) for i in agents]
    upfront = [w - u - p for w, u, p in zip(worth, utility, paid, strict=True)]
    return VirtualPivot(
        environment,
        ironed,
        virtual,
        included,
        bound,
        tuple(map(readonly, worth)),
        tuple(map(readonly, slope)),
        readonly(cost),
        tuple(map(readonly, utility)),
        tuple(map(readonly, upfront)),
        phases,
    )


def virtual_bound(environment: SeparableTypes | SeparableStates) -> float:
    """Bound what any mechanism earns, whatever the forms of the agents: (8), where it applies.

    Parameters
    ----------
    environment : SeparableTypes or SeparableStates
        Of any form. Agents of general form count with ``v_k - h_k (v_{k+1} - v_k)``; those whose signals depend on
        their initial types with their whole values, as no rent can be told from (8) for them.

    Returns
    -------
    float
        At least the optimum where only initial types are private, and so at least the optimum.

    Raises
    ------
    InputError
        If a type has probability 0.
    LimitError
        If there are too many profiles of initial types.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Lemma 3.1, Corollary 3.1 and section 6.

    Examples
    --------
    Types 0, 1/4, ..., 1, a fair coin, worth s + 3/2 on heads and 10 s on tails (section 6):

    >>> types, fair = [0, "1/4", "1/2", "3/4", 1], ["1/2", "1/2"]
    >>> sold = [["3/2", 0], ["7/4", "5/2"], [2, 5], ["9/4", "15/2"], ["5/2", 10]]
    >>> values = [[[0, 0]] * 5, sold]
    >>> env = SeparableTypes([types], [["1/5"] * 5], None, [fair], form="general", general=[values], horizon=1)
    >>> virtual_bound(env)
    2.25
    """
    if isinstance(environment, SeparableStates):
        return public_bound(environment)
    require_kind(environment, "separable", "virtual_bound")
    agents, shape = range(environment.agents), environment.initial_shape
    if not theorem_faults(environment):
        return virtual_pivot(environment).bound
    _require(environment, 2**environment.agents)
    tables = [
        environment.value_tables[i] if environment.signal_initial[i].ndim > 1 else virtual_values_of(environment, i)
        for i in agents
    ]
    bound = 0.0
    for profile in product(*map(range, shape)):
        distributions = [
            distribution[profile[i]] if distribution.ndim > 1 else distribution
            for i, distribution in enumerate(environment.signal_initial)
        ]
        chosen = [table[:, profile[i]] for i, table in enumerate(tables)]
        bound += (
            float(environment.initial_distribution[profile])
            * _best_set(environment, chosen, [], list(agents), distributions)[1]
        )
    return bound


def _require(environment: SeparableTypes, sets: int) -> None:
    profiles = int(np.prod(environment.initial_shape, dtype=object)) * sets
    if profiles > MAX_PROFILES:
        raise LimitError(
            f"{profiles:,} profiles of initial types and sets of agents are more than {MAX_PROFILES:,}; "
            "use fewer initial types or agents"
        )


def _best_set(
    environment: SeparableTypes,
    tables: Sequence[FloatArray],
    certain: Sequence[int],
    free: Sequence[int],
    distributions: Sequence[FloatArray] | None = None,
) -> tuple[list[int], float]:
    """Included agents and what they bring: all certain ones, and the smallest best set of the free ones."""
    chains, first = (
        signal_chains(environment, tables),
        environment.signal_initial if distributions is None else distributions,
    )
    best: tuple[list[int], float] | None = None
    for size in range(len(free) + 1):
        for chosen in combinations(free, size):
            members = sorted([*certain, *chosen])
            value: Any = solve(chains, members)[0][0]
            for i in members:
                value = np.tensordot(first[i], value, axes=(0, 0))
            worth = environment.discount * float(value)
            if best is None or worth > best[1] + TIE * abs(best[1]):
                best = members, worth
    assert best is not None
    return best


def _utility(level: FloatArray, slope: FloatArray, i: int) -> FloatArray:
    """U_k of (24): what the types below leave, 0 for the lowest."""
    rise = np.diff(level).reshape(-1, *(1 for _ in slope.shape[i + 1 :]))
    steps = rise * np.take(slope, range(slope.shape[i] - 1), axis=i)
    total: FloatArray = np.concatenate([np.zeros_like(np.take(slope, [0], axis=i)), steps.cumsum(axis=i)], axis=i)
    return total
