"""Whether a mechanism that is made for an environment by a rule depends on what comes later.

Its rule is asked for other environments with the same first periods; see `mechopt.verification.scenarios.futures`. A
witness settles it; none over the futures tried is what "yes" means.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant, QuasiNonClairvoyant
from mechopt.verification.rounding import Status
from mechopt.verification.scenarios.futures import MAX_HISTORIES, changed_futures, check_rule

YES, QUASI, NO, UNKNOWN = "yes", "but for the last period", "no", ""
"""Answers."""


def foresight(rule: Callable[[IndependentTypes], Any], environment: IndependentTypes) -> str:
    """Ask whether a rule is non-clairvoyant.

    Parameters
    ----------
    rule : function
        From an environment to a mechanism.
    environment : IndependentTypes
        Whose future is changed.

    Returns
    -------
    str
        ``"yes"``, ``"but for the last period"``, ``"no"``, or ``""`` where it was not checked: the first period is too
        large, the rule takes no other environment, or rounding leaves it open.

    Examples
    --------
    >>> from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
    >>> foresight(non_clairvoyant_balance, IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3))
    'yes'
    """
    if prod(environment.shape[0]) * 2**environment.agents > 10 * MAX_HISTORIES:
        return UNKNOWN
    futures = changed_futures(environment)
    for constraint, answer in ((NonClairvoyant(), YES), (QuasiNonClairvoyant(), QUASI)):
        try:
            status = check_rule(rule, futures, constraint).status
        except (InputError, LimitError):
            return UNKNOWN
        if status is not Status.VIOLATED:
            return answer if status is Status.SATISFIED else UNKNOWN
    return NO
