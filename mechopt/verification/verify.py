"""Checks of constraints: the largest violation of each, and where it is, by the checker of the mechanism's form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechopt.mechanism.constraint_names import named
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.report import ConstraintCheck as ConstraintCheck
from mechopt.verification.report import Report as Report

MAX_CHECKED_HISTORIES = 200_000
"""Constraints are checked exhaustively on trees up to this size, and left open beyond."""
MAX_CHECKED_NODES = 20_000
"""The same for public histories of persistent types, where many mechanisms are compared."""


def verify(
    mechanism: Any, constraints: Constraint | str | Iterable[Constraint | str] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism against constraints, by recursion over histories.

    Parameters
    ----------
    mechanism : a mechanism of any form, a ScenariosMechanism, or something with ``to_mechanism``
        `mechopt.verification.dispatch` says how further forms are added.
    constraints : Constraint, str or several, optional
        As values or by their names on the command line. Default: those that the mechanism was made for, or all if it
        names none; see `verify_sequence` and
        `verify_markov` for persistent types, and `verify_contingent` for contingent transfers.
    exact : bool
        Decide in fractions: floats are the exact numbers that they are, and where the environment is exact its own
        probabilities and values are used.

    Returns
    -------
    Report
        A mapping from constraint to `ConstraintCheck`, whose ``status`` is satisfied, violated or undecided (see
        `mechopt.verification.rounding`); its ``holds`` is whether all are satisfied.

    Raises
    ------
    InputError
        If a constraint is not defined for such types, or the mechanism is of a form that is not checked.
    LimitError
        If there are too many histories; in fractions that is far fewer.

    Examples
    --------
    Sell to types 1 and 2 at a price of 2, but let type 2 pay 1.5 in error: type 1 does not mind, nobody misreports.
    Charge 2.5 instead and type 2 would rather report 1:

    >>> import numpy as np
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.mechanism.constraints import DIC, EPIR
    >>> from mechopt.mechanism.direct import Mechanism
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> sale = np.array([[[0.0, 1.0]]])
    >>> verify(Mechanism(env, [sale], [1.5 * sale]), [DIC(), EPIR()]).holds
    True
    >>> verify(Mechanism(env, [sale], [2.5 * sale]), DIC())
    Report(dic: violated, gain 0.5 (agent 0, period 0, after history []: type 1 reports 0 and gains 0.5))
    >>> verify(Mechanism(env, [sale], [1.1 * sale]), "epir", exact=True)["epir"].status
    <Status.SATISFIED: 'satisfied'>
    """
    report: Report = constraint_checks(mechanism, named(constraints), exact)
    return report


def checked(mechanism: Any, histories: int) -> Report | None:
    """Verify an optimal mechanism, if it claims constraints and has few enough histories to check them all.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, a policy or None
        A `Mechanism` is written out and so is checked at any size.
    histories : int
        Of its program, as in ``Optimum.size``.
    """
    if mechanism is None or not mechanism.claims:
        return None
    if not isinstance(mechanism, Mechanism) and histories > MAX_CHECKED_HISTORIES:
        return None
    return verify(mechanism, mechanism.claims)


def checked_on_tree(mechanism: Any, constraints: Iterable[Constraint]) -> Report | None:
    """Verify a mechanism over histories, if its tree is small enough; None where it is not, or nothing is asked."""
    limit = MAX_CHECKED_HISTORIES if isinstance(mechanism, Mechanism) else MAX_CHECKED_NODES
    asked = tuple(constraints)
    return verify(mechanism, asked) if asked and sum(mechanism.tree.count) <= limit else None
