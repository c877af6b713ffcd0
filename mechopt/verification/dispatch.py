"""Which checker a mechanism goes to, by its type.

Checkers of our own forms are named in `mechopt.registrations`, under ``"Form.verify"``, and imported when a mechanism
of the form is checked. A form of somebody else's is registered beside its checker, with
``@constraint_checks.register(Form)``. Every other mechanism is written out as its ``to_mechanism`` does, and checked as
that.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from mechopt.core.errors import InputError
from mechopt.core.provided import provided
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.protocol import Unrollable
from mechopt.verification.report import Report


@singledispatch
def constraint_checks(
    mechanism: Any, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism against constraints; see `mechopt.verify`.

    Raises
    ------
    InputError
        If the mechanism is of a form that is not checked.
    """
    try:
        check = provided(mechanism, "verify")
    except LookupError:
        if not isinstance(mechanism, Unrollable):
            raise InputError(
                f"{type(mechanism).__name__} is not a mechanism that verify checks; give a mechanism, or something "
                "with to_mechanism() (mo.mechanisms.verify_bank_table checks bank tables)"
            ) from None
        return constraint_checks(mechanism.to_mechanism(), constraints, exact)
    report: Report = check(mechanism, constraints, exact)
    return report
