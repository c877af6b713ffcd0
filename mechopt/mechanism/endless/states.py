r"""A mechanism for ever with finitely many public states: a table of promises, a history that starts again, a tail.

In state s the agents report; at the profile :math:`\theta` action a is taken with probability
:math:`x_s(\theta, a)`, agent i pays :math:`p_{i,s}(\theta, a)`, and a public lottery moves to the next state s' with
probability :math:`\nu_s(\theta, a, s')`, in which case she pays :math:`c_{i,s}(\theta, a, s')` more. Each state has how
each agent's type is distributed, given what was reported and done on the way to it: a state is entered only after
reports and actions that say so. So what is known of the past is the state, and the expected welfare w and utilities u
of the states solve

.. math:: w_s = \mathbb{E}_{\theta | s} \sum_a x_s(\theta, a) \Bigl[ \sum_i v_i(a, \theta_i) - c(a)
    + d \sum_{s'} \nu_s(\theta, a, s') w_{s'} \Bigr].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import summed_gains
from mechopt.environment.markov import MarkovTypes
from mechopt.histories.chain import along
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import ALLOCATION_SLACK
from mechopt.mechanism.endless.linear import discounted
from mechopt.mechanism.methods import MechanismMethods

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LAW_SLACK = 1e-9
"""By which the distribution that a state gives may differ from the one that leads to it."""


@dataclass(frozen=True, eq=False, repr=False)
class StateMechanism(MechanismMethods):
    """Actions and payments in each of finitely many public states, for ever.

    Parameters
    ----------
    environment : MarkovTypes
        With an infinite horizon.
    distributions : sequence over agents of float arrays ``(S, K_i)``
        Distribution of her type in each state, given what is public. State 0 is the first, with the first types.
    allocation : float array ``(S, P, A)``
        Probability of each action, by state and profile of reports (numbered with the last agent's type fastest).
    payment : float array ``(n, S, P, A)``
        Agent to seller, money of the period, where the action is taken.
    after : sparse array ``(S * P * A, S)``
        Probability of the next state, by state, profile and action. Rows of actions that are not taken may be empty.
    coin : float array ``(n, entries of after)``, optional
        Paid in addition, in money of the same period, where the next state is that of the entry; default 0.
    claims : tuple of Constraint
        What the mechanism was made to satisfy; `mechopt.verify` checks these unless told otherwise.
    source : str
        How it came about.

    Raises
    ------
    InputError
        On wrong shapes, numbers that are not finite, weights that are not probabilities, and states that are entered
        with another distribution of types than theirs.

    Examples
    --------
    Sell at price 1 for ever to a buyer who values the item at 0 or 2, each half of the time; discount 1/2.

    >>> from scipy.sparse import csr_array
    >>> env = MarkovTypes([[[0, 0], [0, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount="1/2")
    >>> sold = np.array([[[1, 0], [0, 1]]])
    >>> StateMechanism(env, [np.full((1, 2), 0.5)], sold, [[[[0, 1]] * 2]], csr_array(np.ones((4, 1))))
    StateMechanism(1 agent, 1 state; revenue 1, welfare 2, utilities (1))
    """

    environment: MarkovTypes
    distributions: tuple[FloatArray, ...]
    allocation: FloatArray
    payment: FloatArray
    after: csr_array
    coin: FloatArray | None = None
    claims: tuple[Constraint, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        from scipy.sparse import csr_array

        env, set_field = self.environment, object.__setattr__
        if not env.infinite:
            raise InputError([Fault("environment", "has a finite horizon", "a StateMechanism is for an infinite one")])
        if env.outside is not None or env.discounts is not None:
            what = "has outside options or discounts of agents' own"
            raise InputError([Fault("environment", what, "a StateMechanism is for one discount, and options worth 0")])
        set_field(self, "claims", tuple(self.claims))
        set_field(self, "distributions", tuple(readonly(distribution) for distribution in self.distributions))
        set_field(self, "allocation", readonly(self.allocation))
        set_field(self, "payment", readonly(self.payment))
        after = csr_array(self.after).astype(np.float64)
        after.sum_duplicates()
        set_field(self, "after", after)
        coin = np.zeros((env.agents, after.nnz)) if self.coin is None else self.coin
        set_field(self, "coin", readonly(coin))
        faults = self._shape_faults() or self._number_faults() or self._law_faults()
        if faults:
            raise InputError(faults)

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.allocation)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of types of each agent."""
        return self.environment.shape[0]

    @property
    def extra(self) -> FloatArray:
        """``coin``, which is always an array once the mechanism is made."""
        assert self.coin is not None
        return self.coin

    def _shape_faults(self) -> list[Fault]:
        env, s = self.environment, len(self.allocation)
        profiles, actions = prod(self.shape), env.action_counts[0]
        wanted = {
            "distributions": (
                [distribution.shape for distribution in self.distributions],
                [(s, types) for types in self.shape],
            ),
            "allocation": (self.allocation.shape, (s, profiles, actions)),
            "payment": (self.payment.shape, (env.agents, s, profiles, actions)),
            "after": (self.after.shape, (s * profiles * actions, s)),
            "coin": (self.extra.shape, (env.agents, self.after.nnz)),
        }
        return [
            Fault(name, f"has shape {given}", f"expected is {expected}")
            for name, (given, expected) in wanted.items()
            if given != expected
        ]

    def _number_faults(self) -> list[Fault]:
        parts = {"allocation": self.allocation, "payment": self.payment, "coin": self.extra, "after": self.after.data}
        parts |= {f"distributions[{i}]": distribution for i, distribution in enumerate(self.distributions)}
        faults = [
            Fault(name, "has an entry that is not finite", "give finite numbers")
            for name, part in parts.items()
            if not np.isfinite(part).all()
        ]
        if faults:
            return faults
        taken = self.allocation.ravel() > 0
        sums = {
            "allocation": self.allocation.sum(axis=2).ravel(),
            "after": np.asarray(self.after.sum(axis=1)).ravel()[taken],
        } | {f"distributions[{i}]": distribution.sum(axis=1) for i, distribution in enumerate(self.distributions)}
        for name, total in sums.items():
            low = float(parts[name].min(initial=0.0))
            off = float(np.abs(total - 1).max(initial=0.0))
            if low < 0 or off > ALLOCATION_SLACK:
                faults.append(
                    Fault(name, f"has a smallest entry of {low:.3g} and sums {off:.3g} off 1", "give probabilities")
                )
        return faults

    def _law_faults(self) -> list[Fault]:
        """States that are entered with another distribution than theirs."""
        env, after = self.environment, self.after.tocoo()
        s, profile, action = np.unravel_index(after.row, self.allocation.shape)
        used = (after.data > 0) & (self.allocation[s, profile, action] > 0) & (self.likely[s, profile])
        own = np.unravel_index(profile, self.shape)
        faults = []
        for i, distribution in enumerate(self.distributions):
            if (off := float(np.abs(distribution[0] - env.initial[i]).max())) > LAW_SLACK:
                faults.append(
                    Fault(f"distributions[{i}][0]", f"is {off:.3g} off", "it is the distribution of first types")
                )
            wrong = np.abs(distribution[after.col] - env.kernel[i][0][action, own[i]]).max(axis=1) > LAW_SLACK
            if (wrong & used).any():
                entry = int((wrong & used).argmax())
                where = f"state {int(s[entry])} at reports {int(profile[entry])} and action {int(action[entry])}"
                faults.append(
                    Fault(
                        f"distributions[{i}][{int(after.col[entry])}]",
                        f"is not what {where} leads to",
                        "use another state",
                    )
                )
        return faults

    @cached_property
    def likely(self) -> npt.NDArray[np.bool_]:
        """Whether a profile of types is possible in a state, ``(S, P)``."""
        return np.asarray(self.beliefs > 0)

    @cached_property
    def beliefs(self) -> FloatArray:
        """Probability of each profile in each state, ``(S, P)``."""
        joined = reduce(
            lambda one, distribution: (one[:, :, None] * distribution[:, None, :]).reshape(len(one), -1),
            self.distributions,
        )
        return readonly(joined)

    @cached_property
    def worth(self) -> FloatArray:
        """``[i, p, a]``: value of action a to agent i at profile p."""
        env, n = self.environment, self.environment.agents
        tables = [np.broadcast_to(along(env, i, 0, range(n)), (env.action_counts[0], *self.shape)) for i in range(n)]
        return readonly(np.moveaxis(np.array(tables).reshape(n, env.action_counts[0], -1), 1, 2))

    @cached_property
    def paid(self) -> FloatArray:
        """``[i, s, p, a]``: payment where the action is taken, the coin's expected part included."""
        entries = np.repeat(np.arange(self.after.shape[0]), np.diff(self.after.indptr))
        coins = np.array([np.bincount(entries, row * self.after.data, self.after.shape[0]) for row in self.extra])
        return readonly(self.payment + coins.reshape(self.payment.shape))

    def _by_state(self, flow: FloatArray) -> FloatArray:
        """Discounted sums from each state on, of expected flows ``(m, S)``; the result has the same shape."""
        from scipy.sparse import csr_array

        size, rows = self.states, self.after.shape[0]
        weight = (self.beliefs[:, :, None] * self.allocation).ravel()
        per_state = rows // size
        spread = csr_array((weight, (np.repeat(np.arange(size), per_state), np.arange(rows))), shape=(size, rows))
        matrix = spread @ self.after
        return np.array([discounted(matrix, row, self.environment.discount) for row in flow]).reshape(flow.shape)

    @cached_property
    def gains(self) -> FloatArray:
        """Worth of actions to the seller besides payments and costs, ``(M, A)``."""
        tables = summed_gains(self.environment)
        if tables is None:
            return np.zeros(self.allocation.shape[1:])
        return readonly(np.asarray(tables[0], dtype=np.float64).reshape(len(tables[0]), -1).T)

    @cached_property
    def _totals(self) -> tuple[FloatArray, FloatArray]:
        """Welfare ``(S,)`` and utilities ``(n, S)`` from each state on."""
        weight = self.beliefs[:, :, None] * self.allocation
        net = self.worth.sum(axis=0) - self.environment.costs[0] + self.gains
        welfare = (weight * net).sum(axis=(1, 2))
        utility = [
            (weight * (worth - paid)).sum(axis=(1, 2)) for worth, paid in zip(self.worth, self.paid, strict=True)
        ]
        found = self._by_state(np.array([welfare, *utility]))
        return readonly(found[0]), readonly(found[1:])

    @property
    def state_welfare(self) -> FloatArray:
        """Expected welfare from each state on, as of its period."""
        return self._totals[0]

    @property
    def state_utilities(self) -> FloatArray:
        """Expected utility of each agent from each state on, as of its period, ``(n, S)``."""
        return self._totals[1]

    @property
    def welfare(self) -> float:
        """Expected present value of values net of costs."""
        return float(self.state_welfare[0])

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each agent's utility when all are truthful."""
        return tuple(self.state_utilities[:, 0].tolist())

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs: welfare less utilities."""
        return self.welfare - sum(self.utilities)

    @cached_property
    def depth(self) -> IntArray:
        """First period in which truth may lead to a state; -1 where it never does."""
        return self._first_period((self.likely[:, :, None] & (self.allocation > 0)).reshape(self.states, -1))

    @cached_property
    def entered(self) -> IntArray:
        """First period in which some reports may lead to a state; -1 where none do."""
        return self._first_period((self.allocation > 0).reshape(self.states, -1))

    def _first_period(self, rows: npt.NDArray[np.bool_]) -> IntArray:
        depth, front, period = np.full(self.states, -1), np.array([0]), 0
        per_state = rows.shape[1]
        while front.size:
            depth[front] = period
            entries = (front[:, None] * per_state + np.arange(per_state))[rows[front]]
            following = self.after[entries]
            reached = np.unique(following.indices[following.data > 0])
            front, period = reached[depth[reached] < 0], period + 1
        return readonly(depth, np.int64)

    def __repr__(self) -> str:
        n, utilities = self.environment.agents, ", ".join(f"{u:.6g}" for u in self.utilities)
        return (
            f"StateMechanism({n} agent{'s' * (n > 1)}, {self.states} state{'s' * (self.states > 1)}; "
            f"revenue {self.revenue:.6g}, welfare {self.welfare:.6g}, utilities ({utilities}))"
        )
