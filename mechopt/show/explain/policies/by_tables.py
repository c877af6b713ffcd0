"""Which mechanisms are explained from tables of their own, and what is said of them besides."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import InputError, LimitError
from mechopt.histories.public import PublicTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.show.explain.policies.explanation import PolicyExplanation, explain_policy
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_policy import PersistentPolicy
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status
from mechopt.verification.verify import Report, verify

MOST_ENTRIES = 200_000
"""Entries up to which one for ever is verified."""
WITH_TABLES = (
    PromisePolicy,
    BuyersPolicy,
    PersistentPolicy,
    BankTable,
    StateMechanism,
    MarkovMechanism,
    ContractedMechanism,
)


def histories(mechanism: Any) -> float:
    """Histories that it would be written out on, and infinity where there are too many to count."""
    environment = mechanism.environment
    if environment.horizon == "infinite":
        return float("inf")
    try:
        if isinstance(mechanism, PersistentPolicy):
            return float(sum(PublicTree(mechanism.process).slots))
        if isinstance(mechanism, MarkovMechanism):
            return 0.0
        return float(sum(HistoryTree(environment).count[1:]))
    except LimitError:
        return float("inf")


def from_tables(answer: Any, mechanism: Any) -> PolicyExplanation:
    """Explanation by the tables, with what is proved of them."""
    if not isinstance(answer, Optimum):
        later = "periods count from the one after contracting, at which nothing is done"
        return explain_policy(mechanism, note=later if isinstance(mechanism, ContractedMechanism) else "")
    note = ""
    if answer.status is not Status.OPTIMAL:
        note = f"not proved optimal: it earns {answer.value:.9g}, and no mechanism more than {answer.bound.upper:.9g}"
    goal = f"optimal {answer.objective}" if answer.status is Status.OPTIMAL else f"{answer.objective}"
    return explain_policy(mechanism, goal, answer.exact, note, _verified(mechanism))


def _verified(mechanism: Any) -> Report | None:
    """The check of what it claims, where its own form is checked without writing it out."""
    if not mechanism.claims or not isinstance(mechanism, StateMechanism | MarkovMechanism):
        return None
    if isinstance(mechanism, StateMechanism) and mechanism.after.nnz > MOST_ENTRIES:
        return None
    try:
        return verify(mechanism, mechanism.claims)
    except (InputError, LimitError):
        return None
