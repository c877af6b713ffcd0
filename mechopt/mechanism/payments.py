r"""Constraints on payments as frozen values: what money may do, beside incentives and participation.

With :math:`p_i(n)` the payment of agent i at the public history n, reports of the period included (money of its period,
from agent to seller, expected over the mechanism's own draw of that period), :math:`\delta^t` the present value of
money of period t and :math:`c(a)` the seller's cost of the action. Each is meant for every public history that can be
reported, likely or not, except `ExAnteBudgetBalance`, which is an expectation.

Balance is about the agents' money and the seller's cost. Where an action moves types, what an agent pays may depend on
the mechanism's own draw of it: payments of one period and sums of payments on a path are then meant for every draw,
balance in expectation over the draw of its period.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, ClassVar

from mechopt.core.errors import Fault, InputError
from mechopt.core.functions import RationalFunction
from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import Constraint


@dataclass(frozen=True)
class PaymentConstraint(Constraint):
    """A constraint on payments; compare with ``==``, use as a key."""

    role = "payment"
    types = "all"


@dataclass(frozen=True)
class NoMoney(PaymentConstraint):
    """Nothing is ever paid: :math:`p_i(n) = 0`."""

    name = "no-money"


@dataclass(frozen=True)
class NoSubsidy(PaymentConstraint):
    r"""No agent is ever paid: :math:`p_i(n) \ge 0`."""

    name = "no-subsidy"


@dataclass(frozen=True)
class _Amount(PaymentConstraint):
    """A constraint with one amount of money for all agents, or one an agent.

    Parameters
    ----------
    amounts : number, str or sequence of them
        Exact, as everywhere: ``0.1`` is one tenth, ``"1/3"`` a third. Kept as a tuple of Fractions.
    """

    amounts: Any
    label: ClassVar[str]

    def __post_init__(self) -> None:
        one = isinstance(self.amounts, (str, int, float, Fraction, RationalFunction))
        try:
            given = (self.amounts,) if one else tuple(self.amounts)
            exact = tuple(entry if isinstance(entry, RationalFunction) else to_exact(entry) for entry in given)
        except (TypeError, ValueError) as error:
            raise InputError(
                [Fault(self.label, f"{self.amounts!r}: {error}", "give a number, or one an agent")]
            ) from None
        if not exact:
            raise InputError([Fault(self.label, "has no amount", "give a number, or one an agent")])
        object.__setattr__(self, "amounts", exact)

    @property
    def name(self) -> str:  # type: ignore[override]
        """With the amounts, such as ``"budget:3"`` or ``"budget:2,7/2"``."""
        return f"{self.label}:{','.join(map(str, self.amounts))}"

    def amount(self, i: int) -> Fraction:
        """The amount for agent i."""
        found: Fraction = self.amounts[i if len(self.amounts) > 1 else 0]
        return found

    def __repr__(self) -> str:
        words = [str(amount) if amount.denominator == 1 else f"'{amount}'" for amount in self.amounts]
        listed = ", ".join(words)
        return f"{type(self).__name__}({listed if len(words) == 1 else f'[{listed}]'})"


@dataclass(frozen=True, repr=False)
class PaymentCap(_Amount):
    r"""No payment of a period is above an amount in money of that period: :math:`p_i(n) \le b_i`."""

    label = "payment-cap"


@dataclass(frozen=True, repr=False)
class Budget(_Amount):
    r"""All payments on a full path are worth at most an amount: :math:`\sum_t \delta^t p_i \le B_i`."""

    label = "budget"


@dataclass(frozen=True, repr=False)
class PrefixBudget(_Amount):
    """The same on every prefix of a path: at no time has an agent paid more than her budget. Implies `Budget`."""

    label = "prefix-budget"


@dataclass(frozen=True)
class WeakBudgetBalance(PaymentConstraint):
    r"""Payments cover the cost at every history: :math:`\sum_i p_i(n) \ge c(a)`, the cost expected over the draw."""

    name = "weak-budget-balance"


@dataclass(frozen=True)
class StrongBudgetBalance(PaymentConstraint):
    r"""Payments equal the cost at every history: :math:`\sum_i p_i(n) = c(a)`, the cost expected over the draw."""

    name = "strong-budget-balance"


@dataclass(frozen=True)
class ExAnteBudgetBalance(PaymentConstraint):
    r"""Expected payments cover expected costs: :math:`E \sum_t \delta^t [\sum_i p_i - c(a)] \ge 0`."""

    name = "ex-ante-budget-balance"


@dataclass(frozen=True)
class Deterministic(PaymentConstraint):
    r"""Nothing is drawn: at every history an item goes to a buyer or not, and one action is taken for certain.

    A constraint on the allocation, :math:`x \in \{0, 1\}` (of slots: each buyer has one slot or none), that stands
    where those on payments do. Optima under it are found by branch and bound, see `mechopt.solve.mip`.
    """

    name = "deterministic"
    role = "allocation"


@dataclass(frozen=True, repr=False)
class EpsilonIC(_Amount):
    r"""Misreports may gain as much: incentive constraints say that none gains more than :math:`\epsilon_i`.

    In present value at the start, as `mechopt.verify` tells gains: of one misreport at any history, with the truth
    after it, as the incentive constraints that are asked for say it. Beside `BayesianIC` it is what the best
    reporting strategy gains from contracting on, given the first type. A constraint on incentives that stands where
    those on payments do.
    """

    label = "epsilon"
    role = "slack"

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not isinstance(amount, RationalFunction) and amount < 0 for amount in self.amounts):
            raise InputError([Fault(self.label, f"{self.name}: a gain is below 0", "give at least 0")])


PLAIN: dict[str, PaymentConstraint] = {
    constraint.name: constraint
    for constraint in (
        NoMoney(),
        NoSubsidy(),
        WeakBudgetBalance(),
        StrongBudgetBalance(),
        ExAnteBudgetBalance(),
        Deterministic(),
    )
}
AMOUNTS: dict[str, type[_Amount]] = {kind.label: kind for kind in (PaymentCap, Budget, PrefixBudget, EpsilonIC)}
KINDS: tuple[type[PaymentConstraint], ...] = (
    NoMoney,
    NoSubsidy,
    PaymentCap,
    Budget,
    PrefixBudget,
    WeakBudgetBalance,
    StrongBudgetBalance,
    ExAnteBudgetBalance,
    Deterministic,
    EpsilonIC,
)
"""In the order in which they are listed and make rows."""
PAYMENT_NAMES = (*PLAIN, *(f"{label}:AMOUNT" for label in AMOUNTS))


def is_payment_name(name: str) -> bool:
    """Whether a name is meant for a constraint on payments."""
    return name.partition(":")[0].strip() in (*PLAIN, *AMOUNTS)


def payment_named(text: str) -> PaymentConstraint:
    """Look up a constraint by its name on the command line, the amount behind a colon.

    Examples
    --------
    >>> payment_named("no-subsidy"), payment_named("budget:3"), payment_named("payment-cap:2,7/2")
    (NoSubsidy(), Budget(3), PaymentCap([2, '7/2']))

    Raises
    ------
    InputError
        With the nearest name, or what the amount should look like.
    """
    name, colon, amount = (part.strip() for part in text.partition(":"))
    if name in AMOUNTS:
        if not amount:
            raise InputError([Fault("", f"{text!r} has no amount", f"write {name}:3, or {name}:2,3 by agent")])
        return AMOUNTS[name](amount.split(","))
    if name in PLAIN:
        if colon:
            raise InputError([Fault("", f"{text!r}: {name} takes no amount", f"write {name}")])
        return PLAIN[name]
    near = get_close_matches(name.lower(), (*PLAIN, *AMOUNTS), n=1)
    nearest = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(PAYMENT_NAMES)
    raise InputError([Fault("", f"{text!r} is not a constraint on payments", f"{nearest}known: {known}")])


Payments = PaymentConstraint | str | Iterable[PaymentConstraint | str] | None
"""What ``subject_to=`` takes: constraints on payments or their names, one or several."""


def payment_constraints(given: Payments) -> tuple[PaymentConstraint, ...]:
    """Constraints on payments in the library's order, each once.

    Parameters
    ----------
    given : PaymentConstraint, str, several or None
        A text may join several names by ``+``; ``"none"`` is none.

    Examples
    --------
    >>> payment_constraints("budget:3+no-subsidy")
    (NoSubsidy(), Budget(3))

    Raises
    ------
    InputError
        If something is not a constraint on payments.
    """
    found: list[PaymentConstraint] = []
    for entry in (given,) if isinstance(given, (PaymentConstraint, str, Constraint)) else given or ():
        if isinstance(entry, str):
            found += [payment_named(part) for part in entry.split("+")] if entry.strip() != "none" else []
        elif isinstance(entry, PaymentConstraint):
            found.append(entry)
        elif isinstance(entry, Constraint):
            raise InputError(f"subject_to={entry.name}: this is an {entry.role} constraint; give it as {entry.role}=")
        else:
            raise InputError(
                f"subject_to={entry!r} is not a constraint on payments; write for example mo.NoSubsidy() or 'budget:3'"
            )
    distinct = set(found)
    for c in distinct:
        unordered = any(isinstance(amount, RationalFunction) for amount in amounts_of(c))
        if unordered and sum(type(other) is type(c) for other in distinct) > 1:
            raise InputError(f"subject_to: {c.name} has a parameter and stands beside another of its kind; write one")
    return tuple(sorted(distinct, key=lambda c: (KINDS.index(type(c)), amounts_of(c))))


def without_draws(given: Payments) -> tuple[PaymentConstraint, ...]:
    """The same constraints, and nothing may be drawn.

    Examples
    --------
    >>> without_draws("budget:3")
    (Budget(3), Deterministic())
    """
    return payment_constraints((*payment_constraints(given), Deterministic()))


def payments_at(constraints: Iterable[PaymentConstraint], point: Fraction) -> tuple[PaymentConstraint, ...]:
    """Constraints whose amounts are functions of a parameter, at a value of it.

    Examples
    --------
    >>> payments_at([NoSubsidy(), Budget(1 + RationalFunction.parameter())], Fraction(1, 2))
    (NoSubsidy(), Budget('3/2'))
    """
    return tuple(
        type(c)([RationalFunction.of(amount)(point) for amount in c.amounts]) if isinstance(c, _Amount) else c
        for c in constraints
    )


def amounts_of(constraint: PaymentConstraint) -> tuple[Any, ...]:
    """The amounts of money that a constraint names."""
    return constraint.amounts if isinstance(constraint, _Amount) else ()


def on_money(constraints: Iterable[PaymentConstraint]) -> tuple[PaymentConstraint, ...]:
    """Those that are about payments: all but `Deterministic` and `EpsilonIC`."""
    return tuple(constraint for constraint in constraints if not isinstance(constraint, (Deterministic, EpsilonIC)))


def slack_of(constraints: Iterable[PaymentConstraint], i: int) -> Fraction:
    """Gain that a misreport of agent i may have: the least of the amounts that are asked for, 0 where there is none."""
    given = [constraint.amount(i) for constraint in constraints if isinstance(constraint, EpsilonIC)]
    return min(given, default=Fraction(0))


def claims_of(
    ic: Iterable[Constraint], ir: Iterable[Constraint], subject_to: Iterable[PaymentConstraint]
) -> tuple[Constraint, ...]:
    """Claims of a mechanism, `EpsilonIC` included: incentive constraints then up to what it allows."""
    return (*ic, *ir, *subject_to)


def require_slack(ic: Sequence[Constraint], subject_to: Iterable[PaymentConstraint], periods: int) -> None:
    """Refuse `EpsilonIC` without incentive constraints, or with some that do not imply each other then.

    Raises
    ------
    InputError
        With the constraints.
    """
    if not any(isinstance(constraint, EpsilonIC) for constraint in subject_to):
        return
    if not ic:
        raise InputError("epsilon: there is no incentive constraint for it to loosen; leave it out, or ask for one")
    if periods == 1:
        return
    others = [constraint.name for constraint in ic if constraint.name != "myopic"]
    if len(others) > 1 and any(name.startswith("bayesian") for name in others):
        raise InputError(
            f"epsilon with {' and '.join(others)}: of bayesian ones strategies may gain it at contracting, of others "
            "single misreports at any history, and neither implies the other; ask for one of them"
        )


def require_agents(constraints: Iterable[PaymentConstraint], agents: int) -> None:
    """Refuse amounts by agent that are not one an agent.

    Raises
    ------
    InputError
        With both numbers.
    """
    for constraint in constraints:
        count = len(constraint.amounts) if isinstance(constraint, _Amount) else 1
        if count not in (1, agents):
            raise InputError(
                f"{constraint.name}: has {count} amounts, but there {'is' if agents == 1 else 'are'} {agents} "
                f"agent{'s' * (agents > 1)}; give one for all or one an agent"
            )
