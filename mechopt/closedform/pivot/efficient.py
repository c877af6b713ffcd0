r"""Welfare-optimal policies where types persist, with everybody and with one agent left out.

With values v_i, cost c, discount d and W' the value of the next period (0 beyond a finite horizon)::

    W(th)          = max_a  sum_i v_i(a, th_i) - c(a) + d E[W'(th') | a, th]
    W_{-i}(th_-i)  = the same sum and expectation over j != i; all actions and their costs stay

What an action is worth to the seller by agent i's type (``seller_values``) stands beside v_i.

A finite horizon takes backward induction, an infinite one policy iteration. The next type profile is never drawn from
a joint matrix: as types persist independently given the action, the kernel of each agent is applied along her own axis,
which costs ``actions * profiles * sum of type counts``. A policy is evaluated with the same operator, by BiCGSTAB
or GMRES with iterative refinement (`mechopt.closedform.pivot.relative_values`).

Ties: of the actions within `TIE` of the best the one of lowest index is taken, and the profile is flagged. `TIE` is
relative to the terms that are compared there: with a finite horizon those of the period and profile, so that a large
value elsewhere decides nothing here; with an infinite one, whose values are solved for together, the largest of all. W
and W_{-i} do not depend on the rule; policies, flows and transfers do.

Source: Bergemann and Valimaki (2010), section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mechopt.closedform.pivot.relative_values import Relative, evaluated, left_over, split
from mechopt.core.errors import LimitError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind, require_same_discount

BoolArray = npt.NDArray[np.bool_]
Stages = tuple[Any, ...]

TIE = 1e-11
"""Actions this close to the best are tied, relative to the largest value; with an infinite horizon to what is left of
values when the long-run level is taken off."""
ROUNDING = 1e-14
"""Relative gain at which an action is better, with an infinite horizon."""
PATIENCE = 10
"""Improvements by less than a tie that are tried."""
MAX_IMPROVEMENTS = 1000
WARM_SWEEPS, WARM_KEPT = 200, 10
"""Most sweeps of value iteration before the first evaluation, and how many lie between two looks at the policy."""
MAX_ENTRIES = 10**8
"""Largest number of entries of one array: actions times profiles."""


class Chains(Protocol):
    """Chains that a policy is optimised over: the arrays of `MarkovTypes`, by agent and stage."""

    @property
    def values(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``values[i][t]``, axes: action, type."""

    @property
    def kernel(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``kernel[i][t]``, axes: action, type, next type."""

    @property
    def costs(self) -> tuple[FloatArray, ...]:
        """``costs[t]``, axis: action."""

    @property
    def seller_values(self) -> tuple[tuple[FloatArray, ...], ...] | None:
        """``seller_values[i][t]``, axes: action, type; None where they are 0."""

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions by stage."""

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types."""

    @property
    def stages(self) -> int:
        """Number of periods whose data differ."""

    @property
    def infinite(self) -> bool:
        """Whether the one stage is for every period, for ever."""

    @property
    def discount(self) -> float:
        """From one period to the next."""


@dataclass(frozen=True, eq=False, repr=False)
class Efficient:
    """Largest welfare at every type profile, and an action that attains it.

    With a finite horizon each attribute that is an array here is a list over periods (as are the entries of
    `welfare_without`).

    Attributes
    ----------
    environment : MarkovTypes
    welfare : read-only float array
        W, expected present value as of the period; axes: type of agent 0, ..., type of agent n-1.
    policy : read-only int array, same axes
        Index of the action; of tied ones the lowest.
    tied : read-only bool array, same axes
        Whether more than one action is optimal.
    welfare_without : tuple over agents
        W_{-i}; axes: types of the other agents, in order (none where there is one agent).
    """

    environment: MarkovTypes
    welfare: Any
    policy: Any
    tied: Any
    welfare_without: tuple[Any, ...]

    @property
    def expected_welfare(self) -> float:
        """W under the distribution of the first types."""
        return expected(self.environment, self.welfare)

    def __repr__(self) -> str:
        flags = self.tied if isinstance(self.tied, list) else [self.tied]
        tied, profiles = sum(int(flag.sum()) for flag in flags), sum(flag.size for flag in flags)
        return f"Efficient(expected welfare {self.expected_welfare:.6g}; ties at {tied} of {profiles} profiles)"


def efficient(environment: MarkovTypes) -> Efficient:
    """Find welfare-optimal policies for all agents together and for all but each one.

    Parameters
    ----------
    environment : MarkovTypes

    Returns
    -------
    Efficient

    Raises
    ------
    LimitError
        If actions times type profiles are too many for one array.

    References
    ----------
    Bergemann and Valimaki (2010), section 2.

    Examples
    --------
    One buyer whose value, 0 or 1, stays with probability 3/4, and a cost of 1/2: selling to the high type alone gives
    1/2 at her, so W_high - W_low = 1/2 + (1/2)(3/4 - 1/4)(W_high - W_low) = 2/3.

    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [0, 1]]], [stay], [["1/2", "1/2"]], cost=[0, "1/2"], discount="1/2")
    >>> efficient(env).welfare.round(12)
    array([0.16666667, 0.83333333])
    >>> efficient(env).policy
    array([0, 1])
    """
    require_kind(environment, "markov", "efficient", seller_values="any")
    require_same_discount(environment, "efficient")
    everybody = range(environment.agents)
    welfare, policy, tied = solve(environment, everybody)
    without = tuple(solve(environment, [j for j in everybody if j != i])[0] for i in everybody)
    shown: Callable[[Stages], Any] = unstaged(environment)
    return Efficient(environment, shown(welfare), shown(policy), shown(tied), tuple(map(shown, without)))


def unstaged(environment: MarkovTypes) -> Callable[[Stages], Any]:
    """Function from an array a period to its display: the list, or with an infinite horizon the only one."""
    return (lambda stages: stages[0]) if environment.infinite else list


def staged(environment: MarkovTypes, shown: Any) -> Stages:
    """Inverse of `unstaged`."""
    return (shown,) if environment.infinite else tuple(shown)


def expected(environment: MarkovTypes, values: Any) -> float:
    """Expectation under the distribution of the first types; kernels of the agents' axes, never their product."""
    array = np.asarray(staged(environment, values)[0], dtype=np.float64)
    for distribution in environment.initial:
        array = np.tensordot(distribution, array, axes=(0, 0))
    return float(array)


def flows(environment: Chains, members: Sequence[int], t: int = 0) -> FloatArray:
    """Sum of values of some agents, and of the seller by their types, less the cost; axes: action, types of members.

    Parameters
    ----------
    environment : MarkovTypes, or other chains
    members : sequence of int
    t : int
        Period; 0 with an infinite horizon.
    """
    rows, gains = environment.values, environment.seller_values
    tables = [rows[i][t] if gains is None else rows[i][t] + gains[i][t] for i in members]
    return _summed(tables, -environment.costs[t])


def _flow_sizes(environment: Chains, members: Sequence[int], t: int) -> FloatArray:
    """Sum of the absolute values of the terms of `flows`, to which their rounding is relative."""
    rows, gains = environment.values, environment.seller_values
    tables = [np.abs(rows[i][t]) + (0.0 if gains is None else np.abs(gains[i][t])) for i in members]
    return _summed(tables, np.abs(environment.costs[t]))


def _summed(values: Sequence[FloatArray], start: FloatArray) -> FloatArray:
    shape = tuple(table.shape[1] for table in values)
    total = np.empty((start.size, *shape))
    total[...] = start.reshape(-1, *(1 for _ in shape))
    for axis, table in enumerate(values):
        total += spread(table, axis, len(shape))
    return total


def spread(table: FloatArray, axis: int, axes: int) -> FloatArray:
    """View of an array ``(action, type)`` with the type on one of several axes."""
    return table.reshape(table.shape[0], *(table.shape[1] if k == axis else 1 for k in range(axes)))


def carried(environment: Chains, members: Sequence[int], following: FloatArray, t: int = 0) -> FloatArray:
    """Expectation of a function of some agents' next types; axes: action, their types now.

    Parameters
    ----------
    environment : MarkovTypes, or other chains
    members : sequence of int
    following : array, axes: next types of the members
    t : int
        Period that the kernels lead from.
    """
    moved: FloatArray = following[np.newaxis]  # one for all actions as long as no kernel depends on the action
    for axis, i in enumerate(members):
        kernel = environment.kernel[i][t]
        if kernel.strides[0] == 0:
            kernel = kernel[:1]
        before, own = int(np.prod(moved.shape[1 : axis + 1])), moved.shape[axis + 1]
        shape = (*moved.shape[1 : axis + 1], kernel.shape[1], *moved.shape[axis + 2 :])
        if axis == len(members) - 1:  # one product of matrices instead of many of a matrix and a vector
            moved = np.matmul(moved.reshape(-1, before, own), kernel.swapaxes(1, 2)).reshape(-1, *shape)
        else:
            moved = np.matmul(kernel[:, np.newaxis], moved.reshape(moved.shape[0], before, own, -1)).reshape(-1, *shape)
    return np.broadcast_to(moved, (environment.action_counts[t], *moved.shape[1:]))


def chosen(table: FloatArray, policy: IntArray) -> FloatArray:
    """Entries of an array ``(action, *types)`` at a policy; axes: types."""
    picked: FloatArray = np.take_along_axis(table, policy[np.newaxis], axis=0)[0]
    return picked


def solve(environment: Chains, members: Sequence[int]) -> tuple[Stages, Stages, Stages]:
    """Largest welfare of some agents, a policy and its ties: tuples over stages of arrays over their types.

    Parameters
    ----------
    environment : MarkovTypes, or other chains
    members : sequence of int
        Whose values count; may be empty.
    """
    profiles = max(int(np.prod([float(stage[i]) for i in members])) for stage in environment.shape)
    if max(environment.action_counts) * profiles > MAX_ENTRIES:
        raise LimitError(
            f"{max(environment.action_counts)} actions times {profiles:,} type profiles are above {MAX_ENTRIES:,}; "
            "use fewer types or agents"
        )
    if environment.infinite:
        best, action, ties = _stationary(environment, members)
        return (best,), (action,), (ties,)
    results: list[tuple[FloatArray, IntArray, BoolArray]] = []
    for t in reversed(range(environment.stages)):
        table, size = flows(environment, members, t), _flow_sizes(environment, members, t)
        if results:
            later = environment.discount * carried(environment, members, results[-1][0], t)
            table, size = table + later, size + np.abs(later)
        policy, tied = _best(table, TIE * size.max(axis=0))
        results.append((readonly(table.max(axis=0)), policy, tied))
    welfare, policies, flags = zip(*reversed(results), strict=True)
    return welfare, policies, flags


def _best(table: FloatArray, slack: FloatArray | float) -> tuple[IntArray, BoolArray]:
    near = table >= table.max(axis=0) - slack
    return readonly(near.argmax(axis=0), np.int64), readonly(near.sum(axis=0) > 1, np.bool_)


def _stationary(environment: Chains, members: Sequence[int]) -> tuple[FloatArray, IntArray, BoolArray]:
    """Policy iteration (Howard): evaluate, improve where an action is better by more than rounding, until none is.

    Tables are of differences alone: a constant added to all of W changes no comparison. Where gains are below a tie,
    rounding may make policies take turns, so then only a few more improvements are tried.
    """
    reward, discount, left = flows(environment, members), environment.discount, left_over(environment)
    start, policy = _warm(environment, members, reward)
    found, patience = split(start, left), PATIENCE
    for _ in range(MAX_IMPROVEMENTS):
        found = _relative(environment, members, policy, chosen(reward, policy), found)
        table = reward + discount * carried(environment, members, found.differences)
        scale = float(np.abs(table).max())
        gain = table.max(axis=0) - chosen(table, policy)
        patience -= float(gain.max()) <= TIE * scale
        if float(gain.max()) <= ROUNDING * scale or patience < 0:
            policy, tied = _best(table, TIE * scale)
            return readonly(table.max(axis=0) + discount * found.level / left), policy, tied
        policy = np.where(gain > ROUNDING * scale, table.argmax(axis=0), policy)
    raise LimitError(f"no optimal policy after {MAX_IMPROVEMENTS} improvements; use a smaller discount")


def _warm(environment: Chains, members: Sequence[int], reward: FloatArray) -> tuple[FloatArray, IntArray]:
    """A few sweeps of value iteration, each moved to the middle of MacQueen's bounds: a policy that is nearly the best.

    A sweep costs as much as one step of an evaluation, and evaluations of poor policies are saved.
    """
    discount, welfare = environment.discount, np.zeros(reward.shape[1:])
    table, policy = reward, reward.argmax(axis=0)
    for sweep in range(1, WARM_SWEEPS + 1):
        change = table.max(axis=0) - welfare
        welfare = welfare + change + discount / (1 - discount) * (float(change.min()) + float(change.max())) / 2
        table = reward + discount * carried(environment, members, welfare)
        if sweep % WARM_KEPT == 0:
            before, policy = policy, table.argmax(axis=0)
            if (policy == before).all():
                break
    return welfare, policy


def evaluate_policy(
    environment: Chains, members: Sequence[int], policy: IntArray, reward: FloatArray, start: FloatArray
) -> FloatArray:
    """Solve W = r + d P W for the chain of a policy with an infinite horizon.

    Each round solves for the correction that the residual asks for; see `mechopt.closedform.pivot.relative_values`.

    Parameters
    ----------
    environment : MarkovTypes, or other chains
    members : sequence of int
        Whose types the arrays have axes for.
    policy, reward, start : arrays, axes: types of the members
        Action; r; a guess of W.
    """
    return _relative(environment, members, policy, reward, split(start, left_over(environment))).value


def _relative(
    environment: Chains, members: Sequence[int], policy: IntArray, reward: FloatArray, start: Relative
) -> Relative:
    chain = _few_moves(environment, members, policy)

    def step(value: FloatArray) -> FloatArray:
        if chain is not None:
            moved: FloatArray = environment.discount * (chain @ value.ravel()).reshape(value.shape)
            return moved
        return environment.discount * chosen(carried(environment, members, value), policy)

    return evaluated(step, reward, start)


def _few_moves(environment: Chains, members: Sequence[int], policy: IntArray) -> Any:
    """The joint chain of a policy as a sparse matrix, where so few next types are likely that it is the quicker way.

    None where applying the kernels of all actions one agent after the other takes fewer multiplications.
    """
    kernels = [environment.kernel[i][0] for i in members]
    moves = [int((kernel > 0).sum(axis=2).max(initial=1)) for kernel in kernels]
    if not kernels or np.prod([float(m) for m in moves]) >= len(kernels[0]) * sum(k.shape[1] for k in kernels):
        return None
    from scipy.sparse import csr_array

    types = np.unravel_index(np.arange(policy.size), policy.shape)
    column, weight = np.zeros((policy.size, 1), dtype=np.int64), np.ones((policy.size, 1))
    for kernel, most, own in zip(kernels, moves, types, strict=True):
        following = np.argsort(kernel <= 0, axis=2, kind="stable")[:, :, :most]
        chance = np.take_along_axis(kernel, following, axis=2)
        at = policy.ravel(), own
        column = (column[:, :, np.newaxis] * kernel.shape[1] + following[at][:, np.newaxis]).reshape(policy.size, -1)
        weight = (weight[:, :, np.newaxis] * chance[at][:, np.newaxis]).reshape(policy.size, -1)
    start = np.arange(policy.size + 1) * column.shape[1]
    return csr_array((weight.ravel(), column.ravel(), start), shape=(policy.size, policy.size))
