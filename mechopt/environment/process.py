"""Any environment with a finite horizon whose types are persistent, as distributions of whole type profiles.

Programs over histories and checks of mechanisms need the same few arrays, whether types are independent
(`MarkovTypes`), depend on an initial signal (`SeparableTypes`, unfolded) or are correlated with interdependent values
(`InterdependentTypes`). A profile is numbered in C order, the type of agent 0 slowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes, summed_gains
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import PublicStates

PersistentEnvironment = MarkovTypes | InterdependentTypes | SeparableTypes
MAX_ENTRIES = 3 * 10**7
"""Largest number of entries of one joint kernel."""


@dataclass(frozen=True, eq=False, repr=False)
class JointProcess:
    """Distributions, values and costs by type profile.

    Attributes
    ----------
    environment : MarkovTypes or InterdependentTypes
    shape : tuple over t of tuples over i
        Numbers of types.
    values : tuple over t of arrays ``(n, A_t, M_t)``
        By agent, action and profile; money of the period.
    kernel : tuple over t = 0, ..., T-2 of arrays ``(A_t, M_t, M_t+1)``
        Distribution of the next profile; rows sum to 1.
    initial : array ``(M_0,)``
    costs : tuple over t of arrays ``(A_t,)``
        The seller's, money of the period.
    weights : array ``(T,)``
        Present value of the money of each period.
    independent : bool
        Whether types are independent given the action, from independent first types.
    private : bool
        Whether each agent's values depend on her own type alone.
    gains : tuple over t of arrays ``(A_t, M_t)``, or None
        What actions are worth to the seller besides payments and costs, money of the period; None where nothing.
    options : tuple over t of arrays ``(n, M_t)``, or None
        Outside option of each agent at each profile, present value as of the period.
    own_weights : tuple over agents of arrays ``(T,)``, or None
        Present value of money at agents' own discounts, where these differ from the seller's.
    public : tuple over t of tuples over i of int arrays ``(K_t,i,)``, or None
        The public state in each type (`mechopt.environment.states`); None where there are none.
    forbidden : tuple over t of bool arrays ``(A_t, M_t)``, or None
        Actions that the public state of a profile rules out.
    """

    environment: MarkovTypes | InterdependentTypes
    shape: tuple[tuple[int, ...], ...]
    values: tuple[FloatArray, ...]
    kernel: tuple[FloatArray, ...]
    initial: FloatArray
    costs: tuple[FloatArray, ...]
    present_value: FloatArray
    independent: bool
    private: bool
    gains: tuple[FloatArray, ...] | None = None
    options: tuple[FloatArray, ...] | None = None
    own_weights: tuple[FloatArray, ...] | None = None
    public: tuple[tuple[IntArray, ...], ...] | None = None
    forbidden: tuple[Array, ...] | None = None

    @property
    def agents(self) -> int:
        """Number of agents n."""
        return len(self.shape[0])

    @property
    def horizon(self) -> int:
        """Number of periods T."""
        return len(self.values)

    @cached_property
    def actions(self) -> tuple[int, ...]:
        """Number of actions by period."""
        return tuple(len(cost) for cost in self.costs)

    @cached_property
    def profiles(self) -> tuple[int, ...]:
        """Number of type profiles by period."""
        return tuple(prod(row) for row in self.shape)

    @cached_property
    def controlled(self) -> tuple[bool, ...]:
        """Whether the distribution of the next profile depends on the action, by period; False in the last."""
        return (*(bool((kernel != kernel[:1]).any()) for kernel in self.kernel), False)

    def types(self, t: int) -> IntArray:
        """Types by agent and profile of period t, ``(n, M_t)``."""
        return np.indices(self.shape[t]).reshape(self.agents, -1)

    def with_own(self, t: int, i: int, profile: IntArray, own: IntArray) -> IntArray:
        """Profiles of period t in which agent i's type is replaced; arrays that broadcast."""
        stride = prod(self.shape[t][i + 1 :])
        return profile + (own - profile // stride % self.shape[t][i]) * stride

    def marginal(self, t: int, i: int) -> FloatArray:
        """Distribution of agent i's next type, ``(A_t, M_t, K_t+1,i)``."""
        kernel = self.kernel[t]
        others = tuple(2 + j for j in range(self.agents) if j != i)
        found: FloatArray = kernel.reshape(*kernel.shape[:2], *self.shape[t + 1]).sum(axis=others)
        return found

    def initial_marginal(self, i: int) -> FloatArray:
        """Distribution of agent i's first type, ``(K_0,i,)``."""
        others = tuple(j for j in range(self.agents) if j != i)
        found: FloatArray = self.initial.reshape(self.shape[0]).sum(axis=others)
        return found

    @property
    def own_present_value(self) -> tuple[FloatArray, ...]:
        """``own_present_value[i][t]``: of the money of period t to agent i."""
        return self.own_weights or (self.present_value,) * self.agents

    @cached_property
    def net_values(self) -> tuple[FloatArray, ...]:
        r"""Values less what an agent gives up of her outside option in a period, ``(n, A_t, M_t)``.

        With o the option and d her discount, :math:`v - o_t(k) + d E[o_{t+1}(k') \mid a, k]`: present values of these
        over the rest of the horizon are those of values less the option, whatever is reported and done. So utilities
        that are at least 0 here are at least the option, and misreports gain the same.
        """
        if self.options is None:
            return self.values
        found = []
        for t, values in enumerate(self.values):
            net = values - self.options[t][:, None, :]
            if t + 1 < self.horizon:
                later = [self.kernel[t] @ own * self._step(i, t) for i, own in enumerate(self.options[t + 1])]
                net = net + np.stack(later)
            found.append(net)
        return tuple(found)

    def _step(self, i: int, t: int) -> float:
        """Agent i's discount from period t to the next."""
        weights = self.own_present_value[i]
        step: float = weights[t + 1] / weights[t]
        return step

    @cached_property
    def net_sizes(self) -> tuple[FloatArray, ...]:
        """Sums of the absolute values of what `net_values` are sums of."""
        if self.options is None:
            return tuple(map(np.abs, self.values))
        found = []
        for t, values in enumerate(self.values):
            size = np.abs(values) + np.abs(self.options[t])[:, None, :]
            if t + 1 < self.horizon:
                size = size + np.stack([self.kernel[t] @ np.abs(own) for own in self.options[t + 1]])
            found.append(size)
        return tuple(found)

    def net_costs(self, t: int) -> FloatArray:
        """Cost of an action to the seller less its worth to her, ``(A_t, M_t)`` or ``(A_t, 1)``."""
        cost: FloatArray = self.costs[t][:, None]
        return cost if self.gains is None else cost - self.gains[t]

    def matched(self, t: int) -> Array:
        """Whether the public states of all agents' types agree, by profile of period t."""
        if self.public is None:
            return np.ones(self.profiles[t], dtype=bool)
        seen = np.stack([tags[own] for tags, own in zip(self.public[t], self.types(t), strict=True)])
        return np.asarray((seen == seen[:1]).all(axis=0))

    def may_report(self, t: int, i: int, true: IntArray, report: IntArray) -> Array:
        """Whether a type of agent i may report another: what is public cannot be misreported; arrays that broadcast."""
        if self.public is None:
            return np.asarray(np.broadcast_to(True, np.broadcast_shapes(np.shape(true), np.shape(report))))
        tags = self.public[t][i]
        return np.asarray(tags[true] == tags[report])

    @cached_property
    def first_best(self) -> float:
        """Largest expected welfare of any policy."""
        following = np.zeros(1)
        for t in reversed(range(self.horizon)):
            share = [own[t] / self.present_value[t] for own in self.own_present_value]
            flow = sum(s * v for s, v in zip(share, self.values[t], strict=True)) - self.net_costs(t)
            flow = flow if self.forbidden is None else np.where(self.forbidden[t], -np.inf, flow)
            carried = self.kernel[t] @ following if t + 1 < self.horizon else np.zeros_like(flow)
            following = (
                flow + carried * (self.present_value[t + 1] / self.present_value[t] if t + 1 < self.horizon else 0)
            ).max(0)
        return float(self.initial @ following)


def joint_process(environment: PersistentEnvironment) -> JointProcess:
    """Write an environment with a finite horizon as distributions of type profiles.

    Parameters
    ----------
    environment : MarkovTypes, InterdependentTypes or SeparableTypes

    Raises
    ------
    InputError
        If its horizon is infinite.
    LimitError
        If a joint kernel would be too large.

    Examples
    --------
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["2/5", "3/5"]], horizon=2)
    >>> process = joint_process(env)
    >>> process.kernel[0][1], process.controlled
    (array([[0.75, 0.25],
           [0.25, 0.75]]), (False, False))
    """
    if environment.horizon == "infinite":
        raise InputError(
            'horizon "infinite": a program over histories needs a finite one; mechopt compare (mo.compare) puts closed '
            "forms that need none side by side, and checks them; or give a number of periods"
        )
    if isinstance(environment, SeparableTypes):
        environment = environment.to_markov()
    if isinstance(environment, MarkovTypes):
        return _independent(environment)
    process = _interdependent(environment)
    if isinstance(environment, PublicStates):
        first = [np.arange(count) // prod(row[1:]) for count, row in zip(process.profiles, process.shape, strict=True)]
        ruled = zip(environment.forbidden, environment.public, first, strict=True)
        forbidden = tuple(flags[:, tags[0][own]] for flags, tags, own in ruled)
        process = replace(process, public=environment.public, forbidden=forbidden)
    return process


def process_first_best(environment: PersistentEnvironment) -> float:
    """Largest expected welfare of any policy; see `JointProcess.first_best`."""
    return joint_process(environment).first_best


def _require(entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise LimitError(
            f"the distribution of the next type profile has {entries:,} entries, above {MAX_ENTRIES:,}; use fewer "
            "types, agents or actions"
        )


def _weights(discount: float, periods: int) -> FloatArray:
    return readonly([discount**t for t in range(periods)])


def _independent(environment: MarkovTypes) -> JointProcess:
    shape, agents, stages = environment.shape, range(environment.agents), range(environment.stages)
    values, kernels = [], []
    for t in stages:
        count = environment.action_counts[t]
        if (entries := environment.agents * count * prod(shape[t])) > MAX_ENTRIES:
            raise LimitError(
                f"values by type profile have {entries:,} entries, above {MAX_ENTRIES:,}; use fewer types, agents or "
                "actions"
            )
        table = np.empty((environment.agents, count, prod(shape[t])))
        for i in agents:
            own = environment.values[i][t].reshape(count, *(k if j == i else 1 for j, k in enumerate(shape[t])))
            table[i] = np.broadcast_to(own, (count, *shape[t])).reshape(count, -1)
        values.append(readonly(table))
        if t + 1 < environment.stages:
            _require(count * prod(shape[t]) * prod(shape[t + 1]))
            kernels.append(_product([environment.kernel[i][t] for i in agents]))
    return JointProcess(
        environment,
        shape,
        tuple(values),
        tuple(kernels),
        readonly(environment.initial_distribution.ravel()),
        tuple(environment.costs),
        _weights(environment.discount, environment.stages),
        True,
        True,
        None if environment.seller_values is None else _by_profile(summed_gains(environment)),
        *_terms(environment),
    )


def _terms(environment: MarkovTypes | InterdependentTypes) -> tuple[Any, Any]:
    """Outside options by profile, and weights by agents' own discounts; None where there are none."""
    options = None
    if environment.outside is not None:
        options = tuple(
            readonly([row[t][own] for row, own in zip(environment.outside, _own_types(sizes), strict=True)])
            for t, sizes in enumerate(environment.shape)
        )
    return options, None if environment.discounts is None else environment.own_present_value


def _own_types(sizes: tuple[int, ...]) -> IntArray:
    return np.indices(sizes).reshape(len(sizes), -1)


def _by_profile(gains: Sequence[Any] | None) -> tuple[FloatArray, ...] | None:
    """Arrays ``(A, *types)`` as floats ``(A, M)``."""
    return None if gains is None else tuple(readonly(part.astype(np.float64).reshape(len(part), -1)) for part in gains)


def _product(kernels: Sequence[FloatArray]) -> FloatArray:
    """Joint kernel ``(A, M, M')`` of kernels ``(A, K_i, K_i')``."""
    joint = kernels[0]
    for kernel in kernels[1:]:
        outer = joint[:, :, None, :, None] * kernel[:, None, :, None, :]
        joint = outer.reshape(len(outer), joint.shape[1] * kernel.shape[1], -1)
    return readonly(joint)


def _interdependent(environment: InterdependentTypes) -> JointProcess:
    shape, stages = environment.shape, range(environment.stages)
    for t in stages[:-1]:
        _require(environment.action_counts[t] * prod(shape[t]) * prod(shape[t + 1]))
    shapes = [(environment.agents, environment.action_counts[t], -1) for t in stages]
    values = tuple(readonly(environment.profile_values[t].reshape(shapes[t])) for t in stages)
    kernels = tuple(
        readonly(environment.kernel[t].reshape(environment.action_counts[t], prod(shape[t]), -1)) for t in stages[:-1]
    )
    return JointProcess(
        environment,
        shape,
        values,
        kernels,
        readonly(environment.initial.ravel()),
        tuple(environment.costs),
        _weights(environment.discount, environment.stages),
        False,
        False,
        _by_profile(environment.seller_values),
        *_terms(environment),
    )
