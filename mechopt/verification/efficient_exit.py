r"""Efficient exit: an agent who matters no more, now and later, pays and gets no more.

Agent i matters no more at the profiles of E_i, the largest set in which the mechanism's action is optimal for the
program of the others (their values, the seller's costs) and which it never leaves, whatever types come next. A
mechanism has efficient exit if p_{i,t}(th) = 0 for all th in E_i, in every period t. Where preferences are diverse
(Assumption 1) the dynamic pivot mechanism is the only efficient one that is periodic ex post IC and IR and has it; the
team mechanisms and those with a bond keep IC and IR and fail here.

The program of the others is solved here anew, by policy iteration with the operators of `mechopt.histories.chain`.

**Three answers.** Whether an action is optimal for the others is computed in floats, with a bound of its rounding
(`mechopt.verification.rounding`; with an infinite horizon what the program's own equation is missed by, over 1 - d, is
added, so that nothing rests on how the search ended). So there are two sets: E_i at most, where the action may be
optimal, and E_i at least, where it surely is. Efficient exit is *satisfied* if no payment in the larger set is above
the tolerance, *violated* if one in the smaller set is, else *undecided*: ask for ``exact=True``, which solves the
program in fractions, where ties are ties. Payments are compared as they are.

Source: Bergemann and Valimaki (2010), Definition 1 and Theorem 2. It is printed for states from which the probability
that i's presence changes the action "for all t" from now on is 0; what is meant, and done here, is "for some t".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_seller_values, with_gains_as_cost
from mechopt.histories.chain import ahead, along, lasting, members_of, taken
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.rounding import Precision, Status, largest_value, lasting_error, tolerance_of

BoolArray = npt.NDArray[np.bool_]
Sets = tuple[tuple[BoolArray, ...], ...]

SETTLED = 1e-12
"""Improvements below this share of the largest value end policy iteration."""
MAX_IMPROVEMENTS = 1000


@dataclass(frozen=True)
class EfficientExit:
    """Whether agents who matter no more pay nothing.

    Attributes
    ----------
    status : Status
        Satisfied where ``payment`` is within `VERIFY_TOLERANCE` times the largest total value of an agent of 0.
    payment : float
        Largest transfer in absolute value of an agent who matters no more, with its sign; 0 where there is none. Where
        undecided, of one who may not matter any more.
    agent, period : int or None
        Whose and when, where it is not satisfied.
    types : tuple of int or None
        The type profile there.
    sets : tuple over agents of tuples over periods of bool arrays, axes: type profile
        E_i, ties within rounding included; of length 1 over periods with an infinite horizon.
    exact : bool
        Whether it was decided in fractions.
    """

    status: Status
    payment: float
    agent: int | None
    period: int | None
    types: tuple[int, ...] | None
    sets: Sets
    exact: bool

    @property
    def holds(self) -> bool:
        """Whether it is satisfied."""
        return self.status is Status.SATISFIED

    def __str__(self) -> str:
        if self.holds:
            return "efficient exit: holds"
        who = f"agent {self.agent}"
        where = f"at types {list(self.types or ())} and pays {self.payment:.6g} in period {self.period}"
        if self.status is Status.VIOLATED:
            return f"efficient exit: fails, {who} matters no more {where}"
        return f"efficient exit: undecided, {who} may not matter any more {where}; ask for exact=True"


def efficient_exit(mechanism: MarkovMechanism | Unrollable, exact: bool = False) -> EfficientExit:
    """Check efficient exit.

    Parameters
    ----------
    mechanism : MarkovMechanism, or something with ``to_mechanism`` that gives one, such as a DynamicPivot
    exact : bool
        Decide in fractions.

    Raises
    ------
    InputError
        If it is not a mechanism of current reports alone, or the policy is not efficient, for which efficient exit is
        defined, at some profile.
    LimitError
        If a program is too large for fractions, or its values cannot be computed.

    References
    ----------
    Bergemann and Valimaki (2010), Definition 1.

    Examples
    --------
    Two one-shot tasks. Charge both 1 in every period, and nobody ever exits; agent 0 need not pay where agent 1 is done
    and waits no more:

    >>> from mechopt.environment.families.tasks import scheduling
    >>> env = scheduling([5, 3], "1/2")
    >>> policy = np.array([[0, 0], [1, 0]])
    >>> print(efficient_exit(MarkovMechanism(env, [policy], [[np.ones((2, 2))]] * 2)))
    efficient exit: fails, agent 0 matters no more at types [0, 1] and pays 1 in period 0
    """
    given: Any = mechanism
    if isinstance(given, Unrollable):
        given = given.to_mechanism()
    if not isinstance(given, MarkovMechanism):
        raise InputError("efficient exit is defined for mechanisms of current reports alone; see mo.dynamic_pivot")
    mechanism = given
    require_seller_values(mechanism.environment, "efficient_exit", "by action")
    mechanism = replace(mechanism, environment=with_gains_as_cost(mechanism.environment))
    env = mechanism.environment
    if exact:
        least = most = _exact_sets(mechanism)
    else:
        least, most = _sets(mechanism)
    bound = tolerance_of(largest_value(env))
    worst, where = _largest_payment(mechanism, least)
    status = Status.VIOLATED
    if abs(worst) <= bound:
        worst, where = _largest_payment(mechanism, most)
        status = Status.UNDECIDED
    if where is None or abs(worst) <= bound:
        return EfficientExit(Status.SATISFIED, worst, None, None, None, most, exact)
    return EfficientExit(status, worst, *where, most, exact)


def _largest_payment(mechanism: MarkovMechanism, sets: Sets) -> tuple[float, tuple[int, int, tuple[int, ...]] | None]:
    """Largest in absolute value within the sets, and its agent, period and types."""
    worst, found = 0.0, None
    for i, inside in enumerate(sets):
        for t, paid in enumerate(mechanism.transfer[i]):
            out = np.where(inside[mechanism.stage(t)], paid, 0.0)
            place = int(np.abs(out).argmax())
            if abs(payment := float(out.ravel()[place])) > abs(worst):
                worst, found = payment, (i, t, tuple(int(k) for k in np.unravel_index(place, out.shape)))
    return worst, found


def _require_efficient(efficient: bool) -> None:
    """Refuse a policy for which efficient exit is not defined."""
    if not efficient:
        raise InputError(
            "the policy is not efficient, and efficient exit is defined for efficient mechanisms; see mo.efficient"
        )


def _closed(suits: list[BoolArray], policy: Sequence[IntArray], environment: MarkovTypes) -> tuple[BoolArray, ...]:
    """The largest part of the sets, by stage, that the chain under the policy never leaves."""
    everybody = members_of(environment)

    def stays(t: int, inside: BoolArray) -> BoolArray:
        escapes = taken(ahead(environment, (~inside).astype(np.float64), t, everybody), policy[t])
        return np.asarray(escapes <= 0)

    if environment.infinite:
        inside = suits[0]
        while not np.array_equal(kept := inside & stays(0, inside), inside):
            inside = kept
        return (readonly(inside, np.bool_),)
    sets = [suits[-1]]
    for t in reversed(range(environment.stages - 1)):
        sets.append(suits[t] & stays(t, sets[-1]))
    return tuple(readonly(part, np.bool_) for part in reversed(sets))


def _sets(mechanism: MarkovMechanism) -> tuple[Sets, Sets]:
    """E_i by agent and stage: at least and at most."""
    env, policy = mechanism.environment, mechanism.policy
    for program, chosen in zip(_programs(env, members_of(env)), policy, strict=True):
        worse = program.behind(chosen, None)
        _require_efficient(bool((worse <= program.rounding).all()))
    least, most = list[tuple[BoolArray, ...]](), list[tuple[BoolArray, ...]]()
    for i in range(env.agents):
        surely, perhaps = list[BoolArray](), list[BoolArray]()
        for program, chosen in zip(_programs(env, members_of(env, i)), policy, strict=True):
            behind, rounding = program.behind(chosen, i), np.expand_dims(program.rounding, i)
            perhaps.append(behind <= rounding)
            surely.append(behind <= -rounding)
        least.append(_closed(surely, policy, env))
        most.append(_closed(perhaps, policy, env))
    return tuple(least), tuple(most)


def _exact_sets(mechanism: MarkovMechanism) -> Sets:
    """E_i by agent and stage, in fractions."""
    from mechopt.verification.exact_exit import optimal_for

    env, policy = mechanism.environment, mechanism.policy
    _require_efficient(all(bool(part.all()) for part in optimal_for(env, policy, members_of(env))))
    return tuple(_closed(optimal_for(env, policy, members_of(env, i)), policy, env) for i in range(env.agents))


class _Program(NamedTuple):
    """Values of each action in a period, then efficient, for some agents.

    Attributes
    ----------
    table : float array ``(A, *types)``
    rounding : float array ``(*types,)``
        A difference of two entries is off by no more.
    """

    table: FloatArray
    rounding: FloatArray

    def behind(self, policy: IntArray, without: int | None) -> FloatArray:
        """How much less than the best other action that of the policy is worth, ``(*types)`` of all agents."""
        table = self.table if without is None else np.expand_dims(self.table, without + 1)
        full = np.broadcast_to(table, (len(table), *policy.shape)).copy()
        chosen = taken(full, policy)
        np.put_along_axis(full, policy[np.newaxis], -np.inf, axis=0)
        behind: FloatArray = full.max(axis=0) - chosen
        return behind


def _programs(env: MarkovTypes, members: list[int]) -> list[_Program]:
    """By stage; every number beside its magnitude, the same sum with each term in absolute value."""
    shape = [tuple(env.shape[t][i] for i in members) for t in range(env.stages)]
    depth = len(members) + 4 + sum(max(env.shape[t][i] for t in range(env.stages)) + 1 for i in members)
    largest = largest_value(env)
    if env.infinite:
        return [_stationary(env, members, Precision.of(depth, largest))]
    precision, found = Precision.of(depth * env.stages, largest), list[_Program]()
    best = size = np.zeros(())
    for t in reversed(range(env.stages)):
        table, magnitude = _flow(env, members, t)
        if found:
            table = table + env.discount * ahead(env, best, t, members)
            magnitude = magnitude + env.discount * ahead(env, size, t, members)
        best, size = table.max(axis=0), magnitude.max(axis=0)
        rounding = np.where(size == 0, 0.0, precision.bound(size))  # nothing is rounded where all is 0
        found.append(_Program(table, 2 * np.broadcast_to(rounding, shape[t])))
    return found[::-1]


def _flow(env: MarkovTypes, members: list[int], t: int) -> tuple[FloatArray, FloatArray]:
    """Values less cost, and the sum of their absolute values, ``(A, *types)``."""
    shape = tuple(env.shape[t][i] for i in members)
    cost = env.costs[t].reshape(-1, *(1,) * len(members))
    flow, size = np.zeros((env.action_counts[t], *shape)) - cost, np.zeros((env.action_counts[t], *shape)) + abs(cost)
    for i in members:
        part = along(env, i, t, members)
        flow, size = flow + part, size + np.abs(part)
    return flow, size


def _stationary(env: MarkovTypes, members: list[int], precision: Precision) -> _Program:
    flow, size = _flow(env, members, 0)
    policy: IntArray = flow.argmax(axis=0)
    for _ in range(MAX_IMPROVEMENTS):
        value = lasting(env, policy, taken(flow, policy), members)
        table = flow + env.discount * ahead(env, value, 0, members)
        better = table.max(axis=0) > taken(table, policy) + SETTLED * float(np.abs(table).max())
        if not better.any():
            break
        policy = np.where(better, table.argmax(axis=0), policy)
    else:
        raise LimitError(
            f"no optimal policy of the others after {MAX_IMPROVEMENTS} improvements; use a smaller discount"
        )
    # one step from any value is off by d max|value - optimal|, and that by what the equation is missed by, over 1 - d
    rounded = precision.bound(size + env.discount * ahead(env, np.abs(value), 0, members)).max(axis=0)
    apart = lasting_error(float((np.abs(table.max(axis=0) - value) + rounded).max()), env.discount)
    rounding = 2 * (rounded + env.discount * apart)
    nothing, kept = np.zeros(value.shape, dtype=np.bool_), size.max(axis=0) == 0
    while not np.array_equal(nothing, kept):
        nothing = kept
        kept = nothing & (ahead(env, (~nothing).astype(np.float64), 0, members).max(axis=0) <= 0)
    return _Program(np.where(nothing, 0.0, table), np.where(nothing, 0.0, rounding))
