r"""Payment intervals: which stationary payments implement a policy, where types are finite.

With a continuum of types efficient payments are unique (Bergemann and Valimaki 2010, Theorem 2); on a grid they lie in
intervals. Fix a stationary policy a and an infinite horizon. Payments p_i and values V_i by profile satisfy

- :math:`V_i(\theta) = v_i(a(\theta), \theta_i) - p_i(\theta) + d\, \mathbb{E}[V_i(\theta') | a(\theta), \theta]`,
- periodic ex post IC: :math:`v_i(a(r, \theta_{-i}), \theta_i) - p_i(r, \theta_{-i})
  + d\, \mathbb{E}[V_i(\theta') | a(r, \theta_{-i}), \theta] \le V_i(\theta)` for every report r,
- participation: :math:`V_i \ge 0`,
- efficient exit, where asked for: :math:`p_i = 0` at profiles where i no longer matters
  (`exit_states`).

Each payment's smallest and largest value is a linear program. Without exit, or without types that exit, payments are
unbounded both ways: a bond posted now is paid back later. With diverse types the interval of a payment that others'
types make lies inside a cell of the grid, and shrinks with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mechopt.closedform.pivot.efficient import efficient
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind


@dataclass(frozen=True, eq=False, repr=False)
class _Intervals:
    """Smallest and largest amount of one agent by type profile."""

    agent: int
    lower: FloatArray
    upper: FloatArray

    @property
    def width(self) -> FloatArray:
        """Upper less lower ends."""
        return np.asarray(self.upper - self.lower)

    def __repr__(self) -> str:
        bounded = np.isfinite(self.width)
        widest = f"{self.width[bounded].max():.6g}" if bounded.any() else "none"
        return f"{type(self).__name__}(agent {self.agent}, {int(bounded.sum())} bounded, widest {widest})"


@dataclass(frozen=True, eq=False, repr=False)
class ValueIntervals(_Intervals):
    """Smallest and largest value of truth of one agent, over all payments that implement a policy.

    Attributes
    ----------
    agent : int
    lower, upper : read-only float arrays, axes: type profile
        Present value as of the profile's period; minus and plus infinity where unbounded.
    """


@dataclass(frozen=True, eq=False, repr=False)
class PaymentIntervals(_Intervals):
    """Smallest and largest payments of one agent that implement a policy.

    Attributes
    ----------
    agent : int
    policy : read-only int array, axes: type profile
    exits : read-only bool array, axes: type profile
        Where payments are 0.
    lower, upper : read-only float arrays, axes: type profile
        Agent to seller, money of the period; minus and plus infinity where unbounded.
    """

    policy: IntArray
    exits: npt.NDArray[np.bool_]


def payment_intervals(
    environment: MarkovTypes,
    agent: int,
    policy: Any = None,
    participation: bool = True,
    exit: bool = True,
) -> PaymentIntervals:
    """Find the interval of each stationary payment of an agent that implements a policy.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon.
    agent : int
    policy : int array, axes: type profile, optional
        Default: the efficient one.
    participation : bool
        Whether values of truth must be at least 0 at every profile.
    exit : bool
        Whether payments are 0 where the agent has no influence any more.

    Returns
    -------
    PaymentIntervals

    Raises
    ------
    InputError
        If the horizon is finite, there is no such agent, or no payments implement the policy.

    References
    ----------
    Bergemann and Valimaki (2010), Definition 1 and Theorem 2.

    Examples
    --------
    One good a period. Agent 0 wants it once, at 1 or at 2, and is then gone; agent 1 wants it in every period, at 3/2,
    which is what agent 0 displaces: with types on a grid of step 1 she pays something between 1 and 2.

    >>> values = [[[0, 0, 0], [0, 1, 2], [0, 0, 0]], [[0], [0], ["3/2"]]]
    >>> gone = [[[1, 0, 0]] * 3, [[1]]]
    >>> env = MarkovTypes(values, gone, [["1/3"] * 3, [1]], discount="1/2")
    >>> found = payment_intervals(env, 0)
    >>> found.lower.ravel().round(6).tolist(), found.upper.ravel().round(6).tolist()
    ([0.0, 0.0, 1.0], [0.0, 0.0, 2.0])
    """
    chosen, exits, ends = _intervals(environment, agent, policy, participation, exit, "payment_intervals")
    return PaymentIntervals(agent, *ends, readonly(chosen, np.int64), readonly(exits, bool))


def value_intervals(
    environment: MarkovTypes,
    agent: int,
    policy: Any = None,
    participation: bool = True,
    exit: bool = True,
) -> ValueIntervals:
    """Find the interval of an agent's value of truth at each profile, over stationary payments that implement a policy.

    Parameters
    ----------
    environment, agent, policy, participation, exit
        As for `payment_intervals`.

    Returns
    -------
    ValueIntervals

    Raises
    ------
    InputError
        As `payment_intervals`.

    References
    ----------
    Bergemann and Valimaki (2010), Lemma 2: with a continuum of diverse types the value is the marginal contribution.

    Examples
    --------
    Agent 0 wants the good once, at 1 or at 2, which displaces 3/2: at 2 she gets between 0 and 1; the pivot gives 1/2.

    >>> values = [[[0, 0, 0], [0, 1, 2], [0, 0, 0]], [[0], [0], ["3/2"]]]
    >>> gone = [[[1, 0, 0]] * 3, [[1]]]
    >>> env = MarkovTypes(values, gone, [["1/3"] * 3, [1]], discount="1/2")
    >>> found = value_intervals(env, 0)
    >>> found.lower.ravel().round(6).tolist(), found.upper.ravel().round(6).tolist()
    ([0.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    """
    *_, ends = _intervals(environment, agent, policy, participation, exit, "value_intervals", values=True)
    return ValueIntervals(agent, *ends)


def _intervals(
    environment: MarkovTypes,
    agent: int,
    policy: Any,
    participation: bool,
    exit: bool,
    name: str,
    values: bool = False,
) -> tuple[IntArray, npt.NDArray[np.bool_], tuple[FloatArray, FloatArray]]:
    """Policy, exits, and both ends of payments, or of values of truth, by profile."""
    from scipy.optimize import linprog

    require_kind(environment, "markov", name)
    faults = list[Fault]()
    if not environment.infinite:
        faults.append(Fault("horizon", f"is {environment.horizon}", 'it must be "infinite"'))
    if agent not in range(environment.agents):
        faults.append(Fault("agent", f"is {agent!r}", f"give one from 0 to {environment.agents - 1}"))
    if faults:
        raise InputError(faults)
    shape = environment.shape[0]
    chosen = np.asarray(efficient(environment).policy if policy is None else policy, dtype=np.int64)
    if chosen.shape != shape or chosen.min() < 0 or chosen.max() >= environment.action_counts[0]:
        raise InputError([Fault("policy", "is not an action by type profile", f"give an int array {shape}")])
    exits = exit_states(environment, agent, chosen) if exit else np.zeros(shape, dtype=bool)
    rows, sides, (inverse, base) = _rows(environment, agent, chosen)
    bounds = [(0.0, 0.0) if out else (None, None) for out in exits.ravel()]
    if participation:  # V = (I - d P)^-1 (v - p), in rows of p
        rows, sides = np.concatenate([rows, inverse]), np.concatenate([sides, base])
    goals, start = (-inverse, base) if values else (np.eye(chosen.size), np.zeros(chosen.size))
    lower, upper = np.empty(chosen.size), np.empty(chosen.size)
    for place in range(chosen.size):
        for sign, end in ((1.0, lower), (-1.0, upper)):
            found = linprog(sign * goals[place], rows, sides, bounds=bounds, method="highs")
            if found.status == 2:
                raise InputError(f"{name}: no payments implement the policy under these conditions")
            end[place] = start[place] + sign * float(found.fun or 0.0) if found.status == 0 else -sign * np.inf
    return chosen, exits, (readonly(lower.reshape(shape) + 0.0), readonly(upper.reshape(shape) + 0.0))


def _rows(
    environment: MarkovTypes, agent: int, policy: IntArray
) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray]]:
    """Rows ``A p <= b`` of incentives, and of participation, with V eliminated."""
    shape, d, size = policy.shape, environment.discount, policy.size
    profiles = np.array(np.unravel_index(np.arange(size), shape))
    flat = policy.ravel()
    moves = np.ones((environment.action_counts[0], size, size))
    for j in range(environment.agents):
        moves *= environment.kernel[j][0][:, profiles[j]][:, :, profiles[j]]
    own = environment.values[agent][0]
    chain = moves[flat, np.arange(size)]
    inverse: FloatArray = np.asarray(np.linalg.inv(np.eye(size) - d * chain), dtype=np.float64)
    worth = own[flat, profiles[agent]]
    base: FloatArray = inverse @ worth  # V = base - inverse p
    rows, sides = list[FloatArray](), list[float]()
    for place in range(size):
        for report in range(shape[agent]):
            if report == profiles[agent, place]:
                continue
            told = profiles[:, place].copy()
            told[agent] = report
            other = int(np.ravel_multi_index(tuple(told), shape))
            ahead = d * moves[flat[other], place]
            # v(a(r), k) - p(r) + ahead V <= V(place)
            row = inverse[place] - ahead @ inverse
            row[other] -= 1.0
            rows.append(row)
            sides.append(float(base[place] - own[flat[other], profiles[agent, place]] - ahead @ base))
    table: FloatArray = np.array(rows).reshape(-1, size)
    return table, np.array(sides), (inverse, base)


def exit_states(environment: MarkovTypes, agent: int, policy: IntArray) -> npt.NDArray[np.bool_]:
    """Profiles at which an agent has exited: from there on the policy is optimal without her.

    Parameters
    ----------
    environment : MarkovTypes
    agent : int
    policy : int array, axes: type profile

    Returns
    -------
    bool array, axes: type profile
        The largest set at which the action is optimal for the others alone and that is closed under it; with one agent,
        where the action is one of least cost.

    References
    ----------
    Bergemann and Valimaki (2010), Definition 1.
    """
    shape, size = policy.shape, policy.size
    profiles = np.array(np.unravel_index(np.arange(size), shape))
    others = [j for j in range(environment.agents) if j != agent]
    net = -np.broadcast_to(environment.costs[0][:, None], (len(environment.costs[0]), size)).copy()
    for j in others:
        net += environment.values[j][0][:, profiles[j]]
    moves = np.ones((len(net), size, size))
    for j in range(environment.agents):
        moves *= environment.kernel[j][0][:, profiles[j]][:, :, profiles[j]]
    value = np.zeros(size)
    for _ in range(100_000):
        total = net + environment.discount * moves @ value
        after = total.max(axis=0)
        change, value = float(np.abs(after - value).max()), after
        if change <= 1e-14 * max(1.0, float(np.abs(value).max())):
            break
    total = net + environment.discount * moves @ value
    flat = policy.ravel()
    inside = total[flat, np.arange(size)] >= total.max(axis=0) - 1e-9 * max(1.0, float(np.abs(value).max()))
    chain = moves[flat, np.arange(size)] > 0
    while True:
        kept = inside & ~(chain & ~inside[None, :]).any(axis=1)
        if (kept == inside).all():
            found: npt.NDArray[np.bool_] = inside.reshape(shape)
            return found
        inside = kept
