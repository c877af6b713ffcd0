"""The answer of `optimum`: the best mechanism and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import InputError, LimitError, NoOptimumError
from mechopt.core.printable import printable
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.lp.independent.plan import Size
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.solve.solution import Bound, Status

if TYPE_CHECKING:
    from mechopt.mechanism.direct import Mechanism
    from mechopt.mechanism.endless.states import StateMechanism
    from mechopt.mechanism.sequence import SequenceMechanism
    from mechopt.proof.promised.certificate import PromisedCertificate
    from mechopt.solve.dual.buyers_policy import BuyersPolicy
    from mechopt.solve.dual.markov_policy import PersistentPolicy
    from mechopt.solve.duals import Duals
    from mechopt.solve.exact.certify import Certificate
    from mechopt.solve.myopic.policy import MyopicPolicy
    from mechopt.solve.orbits.mechanism import OrbitMechanism
    from mechopt.solve.promised.policy import PromisePolicy


@dataclass(frozen=True, repr=False)
class Optimum(Shown):
    """The best mechanism and what is known about it.

    Attributes
    ----------
    value : float
        Of the objective at ``mechanism``; the lower bound.
    bound : Bound
        ``lower <= optimum <= upper``.
    status : Status
        ``"optimal"`` where the bracket is closed; ``"unproved"`` where it is, but the exact proof that was asked for
        met a limit.
    mechanism : Mechanism, OrbitMechanism, SequenceMechanism, StateMechanism, a policy or None
        A sequence where types persist, a policy by method "promised" or "dual", finitely many states with an infinite
        horizon; None where there is no solution or bound.
    size : Size
    seconds : dict
        ``build`` and ``solve``.
    method : str
        ``"simplex"``, ``"ipx"``, ``"promised"``, ``"dual"``, ``"infinite"``, or ``"closed form"`` (one buyer, DIC and
        interim IR).
    form : str
        Of the program: ``"promise"``, ``"utility"`` or ``"payment"``; ``"sequence"`` where types persist, ``"tables"``
        for the dynamic programs, ``"states"`` with an infinite horizon, ``"orbits"`` where identical buyers share
        columns.
    exact : Fraction or None
        The proved exact optimum, where it was asked for.
    conflict : tuple of str
        What conflicts where there is no solution, or grows where there is no bound; where an exact optimum was asked
        for and not found, which limit stopped it.
    certificate : Certificate, PromisedCertificate or None
        The proof of ``exact``, of a bracket in fractions or of there being no bound, where it was asked for.
    ic, ir, subject_to : tuples of Constraint
    objective : Objective
        What it is optimal under and for.
    duals : Duals or None
        Shadow prices by constraint, agent, period, history and types, of a program that was solved to optimality.
    """

    value: float
    bound: Bound
    status: Status
    mechanism: (
        Mechanism
        | OrbitMechanism
        | SequenceMechanism
        | StateMechanism
        | PromisePolicy
        | BuyersPolicy
        | PersistentPolicy
        | MyopicPolicy
        | None
    )
    size: Size
    seconds: dict[str, float]
    method: str
    form: str
    exact: Fraction | None = None
    conflict: tuple[str, ...] = field(default=())
    certificate: Certificate | PromisedCertificate | None = None
    ic: tuple[Constraint, ...] = ()
    ir: tuple[Constraint, ...] = ()
    objective: Objective = Revenue()
    subject_to: tuple[PaymentConstraint, ...] = ()
    duals: Duals | None = field(default=None, compare=False)

    def require_optimal(self) -> Optimum:
        """Return itself, or raise with what to try.

        Raises
        ------
        NoOptimumError
            If there is no solution, no bound, or the solver was inaccurate.
        LimitError
            If a limit stopped the solver; it carries the bracket.
        """
        if self.status is Status.OPTIMAL:
            return self
        if self.status in (Status.TIME_LIMIT, Status.INTERRUPTED, Status.UNPROVED):
            limit = f": {'; '.join(self.conflict)}" if self.status is Status.UNPROVED else ""
            raise LimitError(
                f"stopped ({self.status}{limit}) with {self.bound.lower:.9g} <= optimum <= {self.bound.upper:.9g}; "
                f"{self.status.advice}",
                self.bound.lower,
                self.bound.upper,
            )
        raise NoOptimumError(
            "\n  ".join([f"{self.status}: {self.status.advice}", *map(printable, self.conflict)]), keep="\n"
        )

    def explain(self) -> Any:
        """Find the simplest optimal mechanism and say what it does by states; see `mechopt.results.Explanation`.

        Raises
        ------
        InputError
            If there is no mechanism, or it is only a limit of mechanisms.
        LimitError
            If it has too many histories.
        """
        return provided(self, "explain")(self)

    def show(self) -> None:
        """Print what the mechanism does, by states; see `explain`.

        Examples
        --------
        >>> from mechopt import IndependentTypes, optimum
        >>> optimum(IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=1)).show()  # doctest: +ELLIPSIS
        optimal revenue 3/2; 1 history in 1 state, 2 payments...
        """
        provided(self, "show")(self)

    def to_frame(self) -> Any:
        """The mechanism as a table; see its own ``to_frame``.

        Raises
        ------
        InputError
            If there is no mechanism.
        """
        if self.mechanism is None:
            raise InputError(f"there is no mechanism to tabulate: {self.status}")
        return self.mechanism.to_frame()

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        how = f"{self.status} by {self.method}, {self.form} form"
        return f"Optimum(value {self.value:.9g}, bracket width {width:.1g}, {how})"
