r"""The virtual index mechanism: where one agent a period is served and the others stand still, the highest index is.

If an action serves one agent, only her signal moves and only she values it, the joint program of the virtual pivot
falls apart into one index an agent::

    gamma_i(k, z) = max_tau E[sum_{t < tau} d^t (alpha_k v + beta_k - c)] / E[sum_{t < tau} d^t]             (26)

(a ratio of expectations), with c the cost of serving her above that of idling. The highest index is served, where
idling is possible only if it is above 0. As the others stand still, W_{-i} does not move while i is served, and (22)
becomes the price of service ::

    p_i = ((1 - d) W_{-i} - beta_i + c) / alpha_i

In the multiplicative form without cost the index is L_k times the Gittins index of B. The horizon is infinite.

Source: Kakade, Lobel and Nazerzadeh (2013), section 5.2 and Corollary 5.3; equation numbers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from mechopt.closedform.pivot.gittins import gittins_indices
from mechopt.closedform.virtual.mechanism import Profile, VirtualPivot, require_member, require_profile
from mechopt.closedform.virtual.phase import Phase
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.closedform.virtual.weights import VirtualWeights, virtual_weights
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.require_kind import require_kind
from mechopt.environment.separable import SeparableTypes


@dataclass(frozen=True, eq=False, repr=False)
class VirtualIndex:
    """The virtual index mechanism.

    Attributes
    ----------
    environment : SeparableTypes
    ironed : bool
    virtual : tuple over agents of VirtualWeights
    served : tuple of int
        The action that serves each agent.
    idle : int or None
        The action that serves nobody.
    indices : tuple over agents of read-only float arrays ``(type, signal)``
        Money a period, if she is included; for multiplicative types that never are, minus the cost.
    """

    environment: SeparableTypes
    ironed: bool
    virtual: tuple[VirtualWeights, ...]
    served: tuple[int, ...]
    idle: int | None
    indices: tuple[FloatArray, ...]

    @cached_property
    def pivot(self) -> VirtualPivot:
        """The virtual pivot of the same environment, from the joint program."""
        return virtual_pivot(self.environment, self.ironed)

    @property
    def profit(self) -> float:
        """Expected payments net of costs, everybody truthful: that of the virtual pivot."""
        return self.pivot.profit

    def policy(self, profile: Profile) -> IntArray:
        """Action at every profile of signals; axes: signal of agent 0, ..., signal of agent n-1.

        Parameters
        ----------
        profile : tuple of int
            Initial types.
        """
        require_profile(self.environment, profile)
        shape = self.environment.signal_shape
        rows = [index[k] for index, k in zip(self.indices, profile, strict=True)]
        if self.idle is None:  # somebody is served anyway: who is excluded is so for nothing
            rows = [
                row if self.pivot.included[profile][i] else np.full_like(row, -self.environment.cost[self.served[i]])
                for i, row in enumerate(rows)
            ]
        spread = [
            np.broadcast_to(row.reshape([-1 if j == i else 1 for j in range(len(shape))]), shape)
            for i, row in enumerate(rows)
        ]
        best = np.argmax(spread, axis=0)
        action: IntArray = np.array(self.served)[best]
        if self.idle is not None:
            action = np.where(np.max(spread, axis=0) > 0, action, self.idle)
        return action

    def price(self, agent: int, profile: Profile) -> FloatArray:
        """Price of an included agent in a period in which she is served.

        Parameters
        ----------
        agent : int
        profile : tuple of int
            Initial types.

        Returns
        -------
        float array, axes: signals of the other included agents, in order
            Money of the period.

        Raises
        ------
        InputError
            If there is no such type or agent, or she is excluded.
        """
        env, here = self.environment, self.pivot.phase(profile)
        require_member(self.pivot, agent, profile)
        virtual = self.virtual[agent]
        action, k = self.served[agent], profile[agent]
        without = np.asarray(here.without[agent][0])
        price = (1 - env.discount) * without - virtual.beta[k, action] + env.cost[action]
        return readonly(price / virtual.alpha[k])

    @cached_property
    def discrepancy(self) -> float:
        """By how much the index policy falls short of the joint program anywhere, relative to the largest value."""
        worst = 0.0
        for profile in product(*map(range, self.environment.initial_shape)):
            here = self.pivot.phase(profile)
            at_members = tuple(slice(None) if i in here.members else 0 for i in range(self.environment.agents))
            policy = self.policy(profile)[at_members]
            followed = Phase(here.chains, here.members, here.welfare, (policy,), here.tied, here.without)
            worth = -np.asarray(followed.at_policy(self.environment.cost)[0])
            for i in here.members:
                worth = worth + followed.at_policy(here.chains.values[i][0], i)[0]
            scale = max(1e-300, float(np.abs(here.welfare[0]).max()))
            worst = max(worst, float(np.abs(followed.total((worth,)) - here.welfare[0]).max()) / scale)
        return worst

    def __repr__(self) -> str:
        shown = ", ".join(f"{index.min():.4g} to {index.max():.4g}" for index in self.indices)
        return f"VirtualIndex(indices {shown})"


def virtual_index(environment: SeparableTypes, ironed: bool = False) -> VirtualIndex:
    """Build the virtual index mechanism.

    Parameters
    ----------
    environment : SeparableTypes
        With an infinite horizon and one action for each agent that serves her alone; at most one other, that serves
        nobody.
    ironed : bool
        Whether virtual levels that fall are ironed; see `virtual_pivot`.

    Returns
    -------
    VirtualIndex

    Raises
    ------
    InputError
        If the environment is not of this kind, or the theorem does not apply.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Corollary 5.3.

    Examples
    --------
    Three observations from an even prior: the Gittins index of the rate is 0.6946, times L = 0, 2 and 3.

    >>> from mechopt.environment.families.learning import sponsored_search
    >>> env = sponsored_search([[1, 2], [3]], [["1/2", "1/2"], [1]], [(1, 1), (1, 1)], 3, "9/10")
    >>> virtual_index(env).indices[0][:, 0].round(4), virtual_index(env).indices[1][:, 0].round(4)
    (array([0.    , 1.3891]), array([2.0837]))
    """
    require_kind(environment, "separable", "virtual_index")
    virtual = virtual_weights(environment, ironed)
    served, idle = _structure(environment, virtual)
    rest = 0.0 if idle is None else float(environment.cost[idle])
    indices = []
    for i, part in enumerate(virtual):
        action, rows = served[i], []
        for k in range(environment.initial_shape[i]):
            included = not part.multiplicative or part.virtual_level[k] > 0
            values = environment.value_tables[i][action, k]
            flow = part.alpha[k] * values + part.beta[k, action] if included else np.zeros_like(values)
            reward = flow - (environment.cost[action] - rest)
            rows.append(gittins_indices(environment.signal_kernel[i][action], reward, environment.discount))
        indices.append(readonly(rows))
    return VirtualIndex(environment, ironed, virtual, served, idle, tuple(indices))


def _structure(environment: SeparableTypes, virtual: tuple[VirtualWeights, ...]) -> tuple[tuple[int, ...], int | None]:
    """The action that serves each agent, and the one that serves nobody."""
    if not environment.infinite:
        fix = "use virtual_pivot, which takes any horizon"
        raise InputError([Fault("horizon", f"is {environment.horizon}, an index needs an infinite one", fix)])
    moved = np.array(
        [
            [
                bool(values[a].any())
                or bool((kernel[a] != np.eye(len(kernel[a]))).any())
                or bool(part.beta[:, a].any())
                for a in range(len(environment.actions))
            ]
            for values, kernel, part in zip(environment.value_tables, environment.signal_kernel, virtual, strict=True)
        ]
    )
    fix = "let each action serve one agent and leave the others as they are"
    faults = [
        Fault(f"actions[{a}]", f"serves {int(count)} agents", fix)
        for a, count in enumerate(moved.sum(axis=0))
        if count > 1
    ]
    faults += [
        Fault(f"agents[{i}]", f"is served by {int(count)} actions", "let one action serve her")
        for i, count in enumerate(moved.sum(axis=1))
        if count != 1
    ]
    idle = np.flatnonzero(~moved.any(axis=0))
    if len(idle) > 1:
        faults.append(Fault("actions", f"{len(idle)} of them serve nobody", "keep the cheapest"))
    if faults:
        raise InputError(faults)
    return tuple(int(row.argmax()) for row in moved), int(idle[0]) if len(idle) else None
