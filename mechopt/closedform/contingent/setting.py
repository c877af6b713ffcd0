"""Which rule contingent transfers are for, what agents get from the truth under it, and what the last period asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import Place
from mechopt.closedform.contingent.last_period import LastPeriod, checked_policy, last_period
from mechopt.closedform.contingent.targets import Stages, last_payoff, truthful_values
from mechopt.closedform.pivot.efficient import chosen
from mechopt.closedform.pivot.efficient_joint import efficient_joint, expected_next, stationary_value, surplus
from mechopt.core.errors import InputError, MechoptError
from mechopt.core.numbers import FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind

LastRule = Literal["efficient", "constant"]


class ConditionError(MechoptError):
    """A condition for the transfers fails; the message says which, for whom and where, and what to try.

    Attributes
    ----------
    condition : str
        ``"convex independence"``, ``"spanning"`` or ``"last period"``.
    place : Place or None
        The matrix or column at fault.
    last : LastPeriod or None
        Where the last allocation is not implementable.
    """

    def __init__(
        self, condition: str, message: str, place: Place | None = None, last: LastPeriod | None = None
    ) -> None:
        super().__init__(message)
        self.condition, self.place, self.last = condition, place, last


def require_transferable(environment: object, name: str) -> None:
    """Refuse what contingent transfers are not for, the seller's payoffs by signals among it.

    Parameters
    ----------
    environment : object
    name : str
        Of the function that asks.

    Raises
    ------
    InputError
        With the reason.
    """
    if isinstance(environment, InterdependentTypes) and environment.seller_values is not None:
        raise InputError(
            f"{name}: seller_values: its targets and budgets count what agents value and what actions cost; what the "
            "seller gains at signals is no money, and a deficit net of it would be wrong; take mo.optimum, or put what "
            "depends on no signal into cost"
        )
    require_kind(environment, "interdependent", name)


@dataclass(frozen=True)
class Setting:
    """Policy and demands that the transfers are to implement.

    Attributes
    ----------
    policy : tuple over periods of int arrays ``(*signals,)``
    targeted : tuple over periods of arrays, or None
        W of the efficient policy where targets are the others' surplus; None for any other rule.
    values : tuple over agents of tuples over periods of arrays
        What the truth is worth from each period on, sunk transfers apart.
    last_payments : tuple over agents of arrays ``(*signals,)``, or None
        Paid in the last period at once.
    welfare : float
        Expected surplus of the policy.
    constant : bool
        Whether one action is taken in the last period whatever the reports.
    """

    policy: tuple[IntArray, ...]
    targeted: Stages | None
    values: tuple[Stages, ...]
    last_payments: tuple[FloatArray, ...] | None
    welfare: float
    constant: bool
    _expected: dict[tuple[int, int], FloatArray] = field(default_factory=dict, repr=False)

    def expected_value(self, environment: InterdependentTypes, agent: int, t: int) -> FloatArray:
        """Expectation of an agent's value of the next period; axes: action, signals. Equal values are done once."""
        following = self.values[agent][environment.following(t)]
        key = t, id(following)
        if key not in self._expected:
            self._expected[key] = expected_next(environment, following, t)
        return self._expected[key]


def prepare(environment: InterdependentTypes, rule: Any, last: LastRule, last_action: int | None) -> Setting:
    """Find the policy, the payments of the last period and the values of the truth; see `contingent_transfers`."""
    policy, targeted, constant = rule_of(environment, rule, last, last_action)
    payments = None
    if constant:
        payments = tuple(readonly(np.zeros(policy[-1].shape)) for _ in range(environment.agents))
    elif not environment.infinite:
        payments = _implemented(environment, policy[-1], rule is None)
    values = []
    for i in range(environment.agents):
        end = None if payments is None else last_payoff(environment, i, policy[-1], payments[i])
        values.append(truthful_values(environment, i, policy, targeted, end))
    efficient = targeted is not None and not constant
    welfare = float((environment.initial * targeted[0]).sum()) if efficient and targeted else None
    welfare = expected_surplus(environment, policy) if welfare is None else welfare
    return Setting(policy, targeted, tuple(values), payments, welfare, constant)


def rule_of(
    environment: InterdependentTypes, rule: Any, last: LastRule, last_action: int | None
) -> tuple[tuple[IntArray, ...], Stages | None, bool]:
    """The policy, W where it is the efficient one before the last period, and whether its end is one action.

    Raises
    ------
    InputError
        If an argument does not fit.
    """
    if last not in ("efficient", "constant"):
        raise InputError(f"last_period: {last!r} is neither 'efficient' nor 'constant'")
    constant = last == "constant" or last_action is not None
    if environment.infinite and constant:
        raise InputError("last_period: the horizon is infinite, so there is no last period; leave it out")
    best = None if rule is not None else efficient_joint(environment)
    policy = best.policy if best is not None else _rule(environment, rule)
    if constant:
        final = environment.stages - 1
        action = _best_constant(environment, policy) if last_action is None else last_action
        fixed = np.full(environment.shape[final], action, dtype=np.int64)
        policy = (*policy[:-1], checked_policy(environment, final, fixed))
    return policy, None if best is None else best.welfare, constant


def _implemented(environment: InterdependentTypes, policy: IntArray, efficient: bool) -> tuple[FloatArray, ...]:
    found = last_period(environment, policy)
    if found.payments is None:
        words = "efficient" if efficient else "given"
        raise ConditionError(
            "last period",
            f"the {words} allocation of the last period is not ex post implementable: {found!r}; "
            "take one action there whatever the signals, last_period='constant' (Corollary 3.3)",
            last=found,
        )
    return found.payments.largest


def _rule(environment: InterdependentTypes, rule: Any) -> tuple[IntArray, ...]:
    stages = [rule] if environment.infinite and isinstance(rule, np.ndarray) and environment.stages == 1 else rule
    if not isinstance(stages, Sequence) or len(stages) != environment.stages:
        raise InputError(f"rule: give one array of actions' indices a period, {environment.stages} of them")
    return tuple(checked_policy(environment, t, stage) for t, stage in enumerate(stages))


def _best_constant(environment: InterdependentTypes, policy: tuple[IntArray, ...]) -> int:
    """Action with the largest expected surplus in the last period; of tied ones the lowest."""
    distribution = environment.initial.ravel()
    for t in range(environment.stages - 1):
        distribution = distribution @ chain(environment, policy, t)
    return int((surplus(environment, environment.stages - 1).reshape(-1, distribution.size) @ distribution).argmax())


def chain(environment: InterdependentTypes, policy: tuple[IntArray, ...], t: int) -> FloatArray:
    """Distribution of the next profile under a policy; axes: profile, next profile, both flattened."""
    action = policy[t]
    kernel = environment.kernel[t][(action.ravel(), *np.indices(action.shape).reshape(action.ndim, -1))]
    found: FloatArray = kernel.reshape(action.size, -1)
    return found


def expected_surplus(environment: InterdependentTypes, policy: tuple[IntArray, ...]) -> float:
    """Expected present value of values less costs under a policy."""
    value = chosen(surplus(environment, environment.stages - 1), policy[-1])
    if environment.infinite:
        value = stationary_value(environment, policy[-1], value)
    for t in reversed(range(environment.stages - 1)):
        table = surplus(environment, t) + environment.discount * expected_next(environment, value, t)
        value = chosen(table, policy[t])
    return float((environment.initial * value).sum())
