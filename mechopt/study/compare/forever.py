"""Rows of a comparison for types that are independent across periods and an infinite horizon.

The static mechanisms, repeated for ever, beside the optimum; all are mechanisms by state, checked as such.
"""

from __future__ import annotations

from typing import Any

from mechopt.closedform.static.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError
from mechopt.mechanism.constraints import DIC, EPIR, PFIR, PPIR, Interim, PeriodicIR
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.infinite.restart import restarted_tree
from mechopt.study.compare.independent import OPTIMUM
from mechopt.study.compare.row import Row, Setting

STATIC = {
    "repeated-myerson": repeated_myerson,
    "repeated-second-price": repeated_second_price,
    "give-for-free": give_for_free,
}
KEPT = (DIC(), Interim(), PeriodicIR(), EPIR(), PFIR(), PPIR())
"""What a static auction without losses keeps when it is repeated for ever, of what is checked state by state."""


def _repeated(name: str) -> Row:
    def build(setting: Setting) -> StateMechanism:
        once = STATIC[name](setting.environment.first_periods(1))
        return restarted_tree(setting.environment, once.to_mechanism(), KEPT, f"{name}, for ever")

    return Row(name, build)


def _optimal(setting: Setting) -> Any:
    if setting.best is None or setting.best.mechanism is None:
        raise InputError(f"{OPTIMUM}: none was found; ask for constraints that have one, or give more time")
    return setting.best.mechanism


ROWS = (
    *map(_repeated, STATIC),
    Row(OPTIMUM, _optimal, lambda environment: False),  # where there is one, it is listed last
    Row(
        "efficient-welfare",
        lambda setting: setting.environment.first_best,
        bound="no mechanism earns more where utilities are at least 0",
    ),
)
