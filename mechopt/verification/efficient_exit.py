r"""Efficient exit: an agent who matters no more, now and later, pays and gets no more.

Agent i matters no more at the profiles of E_i, the largest set in which the mechanism's action is optimal for the
program of the others (their values, the seller's costs) and which it never leaves, whatever types come next. A
mechanism has efficient exit if p_{i,t}(th) = 0 for all th in E_i, in every period t. Where preferences are diverse
(Assumption 1) the dynamic pivot mechanism is the only efficient one that is periodic ex post IC and IR and has it; the
team mechanisms and those with a bond keep IC and IR and fail here.

The program of the others is solved here anew, by policy iteration with the operators of `mechopt.histories.chain`.
Payments are the mechanism's floats, compared with the tolerance as they are: nothing is computed that could round, so
that this check has two answers. Whether an action is optimal for the others is computed, and ties within `TIE` count as
optimal: rounding can only enlarge E_i, so that "holds" is said of more profiles than the definition asks for.

Source: Bergemann and Valimaki (2010), Definition 1 and Theorem 2. It is printed for states from which the probability
that i's presence changes the action "for all t" from now on is 0; what is meant, and done here, is "for some t".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_seller_values, with_gains_as_cost
from mechopt.histories.chain import ahead, along, lasting, members_of, taken
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.rounding import largest_value, tolerance_of

BoolArray = npt.NDArray[np.bool_]

TIE = 1e-9
"""Actions this close to the best for the others, relative to their largest value, are optimal for them."""
MAX_IMPROVEMENTS = 1000


@dataclass(frozen=True)
class EfficientExit:
    """Whether agents who matter no more pay nothing.

    Attributes
    ----------
    holds : bool
        Whether ``payment`` is within `VERIFY_TOLERANCE` times the largest total value of an agent of 0.
    payment : float
        Largest transfer in absolute value of an agent who matters no more, with its sign; 0 where there is none.
    agent, period : int or None
        Whose and when, where it does not hold.
    types : tuple of int or None
        The type profile there.
    sets : tuple over agents of tuples over periods of bool arrays, axes: type profile
        E_i; of length 1 over periods with an infinite horizon.
    """

    holds: bool
    payment: float
    agent: int | None
    period: int | None
    types: tuple[int, ...] | None
    sets: tuple[tuple[BoolArray, ...], ...]

    def __str__(self) -> str:
        if self.holds:
            return "efficient exit: holds"
        assert self.types is not None
        return (
            f"efficient exit: fails, agent {self.agent} matters no more at types {list(self.types)} and pays "
            f"{self.payment:.6g} in period {self.period}"
        )


def efficient_exit(mechanism: MarkovMechanism | Unrollable) -> EfficientExit:
    """Check efficient exit.

    Parameters
    ----------
    mechanism : MarkovMechanism, or something with ``to_mechanism`` that gives one, such as a DynamicPivot

    Raises
    ------
    InputError
        If it is not a mechanism of current reports alone, or the policy is not efficient, for which efficient exit is
        defined, at some profile.

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
    env, sets = mechanism.environment, list[tuple[BoolArray, ...]]()
    _require_efficient(mechanism)
    worst, found = 0.0, None
    for i in range(env.agents):
        sets.append(_matters_no_more(mechanism, i))
        for t, paid in enumerate(mechanism.transfer[i]):
            paid = np.where(np.isfinite(paid), paid, np.inf)  # what is not a number is not 0
            out = np.where(sets[i][mechanism.stage(t)], paid, 0.0)
            place = int(np.abs(out).argmax())
            if abs(payment := float(out.ravel()[place])) > abs(worst):
                worst, found = payment, (i, t, tuple(int(k) for k in np.unravel_index(place, out.shape)))
    if found is None or abs(worst) <= tolerance_of(largest_value(env)):
        return EfficientExit(True, worst, None, None, None, tuple(sets))
    return EfficientExit(False, worst, *found, tuple(sets))


def _require_efficient(mechanism: MarkovMechanism) -> None:
    everybody = members_of(mechanism.environment)
    for t, (table, best) in enumerate(_program(mechanism.environment, everybody)):
        if (taken(table, mechanism.policy[t]) < best - _slack(table)).any():
            raise InputError(
                "the policy is not efficient, and efficient exit is defined for efficient mechanisms; see mo.efficient"
            )


def _slack(table: FloatArray) -> float:
    return TIE * float(np.abs(table).max())


def _matters_no_more(mechanism: MarkovMechanism, i: int) -> tuple[BoolArray, ...]:
    """E_i by stage: start from where the action suits the others, and drop what can lead outside."""
    env, others, everybody = (
        mechanism.environment,
        members_of(mechanism.environment, i),
        members_of(mechanism.environment),
    )
    suits = list[BoolArray]()
    for t, (table, best) in enumerate(_program(env, others)):
        wide, top = np.expand_dims(table, i + 1), np.expand_dims(best, i)
        suits.append(taken(wide, mechanism.policy[t]) >= top - _slack(table))

    def stays(t: int, inside: BoolArray) -> BoolArray:
        escapes = taken(ahead(env, (~inside).astype(np.float64), t, everybody), mechanism.policy[t])
        return np.asarray(escapes <= 0)

    if env.infinite:
        inside = suits[0]
        while not np.array_equal(kept := inside & stays(0, inside), inside):
            inside = kept
        return (readonly(inside, np.bool_),)
    sets = [suits[-1]]
    for t in reversed(range(env.stages - 1)):
        sets.append(suits[t] & stays(t, sets[-1]))
    return tuple(readonly(part, np.bool_) for part in reversed(sets))


def _program(env: MarkovTypes, members: list[int]) -> list[tuple[FloatArray, FloatArray]]:
    """Value of each action, then efficient, and the best of them, for some agents: ``(A, *types)``, ``(*types,)``."""
    if env.infinite:
        return [_stationary(env, members)]
    tables = list[tuple[FloatArray, FloatArray]]()
    for t in reversed(range(env.stages)):
        table = _flow(env, members, t)
        if tables:
            table = table + env.discount * ahead(env, tables[-1][1], t, members)
        tables.append((table, table.max(axis=0)))
    return tables[::-1]


def _flow(env: MarkovTypes, members: list[int], t: int) -> FloatArray:
    shape = tuple(env.shape[t][i] for i in members)
    cost = env.costs[t].reshape(-1, *(1,) * len(members))
    flow: FloatArray = np.zeros((env.action_counts[t], *shape)) - cost
    for i in members:
        flow = flow + along(env, i, t, members)
    return flow


def _stationary(env: MarkovTypes, members: list[int]) -> tuple[FloatArray, FloatArray]:
    flow = _flow(env, members, 0)
    policy: IntArray = flow.argmax(axis=0)
    for _ in range(MAX_IMPROVEMENTS):
        value = lasting(env, policy, taken(flow, policy), members)
        table = flow + env.discount * ahead(env, value, 0, members)
        better = table.max(axis=0) > taken(table, policy) + 1e-3 * _slack(table)
        if not better.any():
            return table, table.max(axis=0)
        policy = np.where(better, table.argmax(axis=0), policy)
    raise LimitError(f"no optimal policy of the others after {MAX_IMPROVEMENTS} improvements; use a smaller discount")
