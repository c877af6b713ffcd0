"""Stacked transfers of every kind: what is asked for, the fewest steps that do, what is refused."""

from __future__ import annotations

from typing import Literal

from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.closedform.contingent.setting import ConditionError, Setting
from mechopt.closedform.contingent.stacked.by_history import by_history
from mechopt.closedform.contingent.stacked.exactly import exact_stacked
from mechopt.closedform.contingent.stacked.joint import joint_stacked
from mechopt.closedform.contingent.stacked.marginals import controlled, uncontrolled
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes

MOST_STEPS = 8
"""Most future periods that ``steps="auto"`` stacks: later ones tell less and less, and discounts shrink them."""


def stacked(
    environment: InterdependentTypes,
    setting: Setting,
    steps: int | Literal["auto"],
    smallest: bool,
    joint: bool = False,
    exact: bool = False,
) -> ContingentTransfers:
    """Solve for stacked transfers; see `contingent_transfers`.

    Raises
    ------
    ConditionError
        If neither condition holds for the stacks, or the case is not proved.
    LimitError
        If there are too many histories.
    """
    if steps == "auto":
        return _fewest(environment, setting, smallest, joint, exact)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps: {steps!r} is not a number of periods to stack; write one such as 2, or 'auto'")
    if not any(environment.controlled(t) for t in range(len(environment.kernel))):
        found = (joint_stacked if joint else uncontrolled)(environment, setting, steps, smallest)
        return found.with_exact(exact_stacked(environment, setting, found, steps, joint, smallest)) if exact else found
    if environment.infinite:
        raise ConditionError(
            "stacking",
            "transitions depend on actions and the horizon is infinite: what is still due from earlier periods becomes "
            "a state that is unbounded, and no construction is proved; take method='any', 'spanning' or 'convex', a "
            "finite horizon, or transitions that do not depend on actions",
        )
    if smallest:
        raise InputError(
            "smallest: stacked transfers where transitions depend on actions are the shortest; leave it out"
        )
    try:
        if joint or exact:
            found = by_history(environment, setting, steps, joint, own=False)
        else:
            found = controlled(environment, setting, steps)
    except ConditionError:
        found = by_history(environment, setting, steps, joint, own=True)
    return found.with_exact(exact_stacked(environment, setting, found, steps, joint)) if exact else found


def _fewest(
    environment: InterdependentTypes, setting: Setting, smallest: bool, joint: bool, exact: bool
) -> ContingentTransfers:
    """Transfers with the fewest steps for which there are any, up to the end or `MOST_STEPS`."""
    most = MOST_STEPS if environment.infinite else max(environment.stages - 1, 1)
    for steps in range(1, min(most, MOST_STEPS) + 1):
        try:
            return stacked(environment, setting, steps, smallest, joint, exact)
        except ConditionError as error:
            if error.condition == "stacking":
                raise
            last = error
    raise last
