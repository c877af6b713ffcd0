"""Rows of a comparison, for any kind of environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.payments import PaymentConstraint
from mechopt.solve.result import Optimum


@dataclass(frozen=True)
class Setting:
    """Setting of the rows: the environment, its optimum where there is one, and what that is optimal under."""

    environment: Any
    best: Optimum | None
    ir: tuple[Constraint, ...]
    time_limit: float | None
    subject_to: tuple[PaymentConstraint, ...]


def _always(environment: Any) -> bool:
    return True


def _unknown(environment: Any) -> str:
    return ""


def _unproved(environment: Any) -> float | None:
    return None


@dataclass(frozen=True)
class Row:
    """A mechanism, or a bound on all of them, by name.

    Parameters
    ----------
    name : str
    build : function of a Setting
        Gives the mechanism, or the number where it is a bound; raises `InputError` where it does not apply.
    listed : function of an environment
        Whether the row is there if no names are given.
    bound : str
        Why no mechanism earns more; empty where the row is a mechanism.
    knows : function of an environment
        Whether the mechanism is non-clairvoyant; see `mechopt.study.compare.foresight`.
    proved : function of an environment
        Revenue that a theorem promises, or None.
    """

    name: str
    build: Callable[[Setting], Any]
    listed: Callable[[Any], bool] = _always
    bound: str = ""
    knows: Callable[[Any], str] = _unknown
    proved: Callable[[Any], float | None] = _unproved
