"""The public way in: anything that is, or has, a mechanism."""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import InputError, LimitError
from mechopt.histories.public import PublicTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.show.explain.explanation import Explanation, explain_mechanism, explain_optimum
from mechopt.show.explain.policies.explanation import PolicyExplanation, explain_policy
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov_policy import PersistentPolicy
from mechopt.solve.promised.policy import PromisePolicy
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status
from mechopt.verification.verify import Report, verify

FEW_HISTORIES = 2_000
"""Histories up to which a mechanism that has states of its own is written out, and readable payments are looked for."""
MOST_ENTRIES = 200_000
"""Entries up to which one for ever is verified."""


def explain(answer: Any, lotteries: bool = True) -> Explanation | PolicyExplanation:
    """Say what a mechanism does by states instead of histories.

    Of an optimum the simplest optimal mechanism is found: what it must remember, then the allocation, then payments
    that are easy to read; it is verified and earns the optimum. Every other mechanism is shown with its own payments.
    One that has states of its own (promises, points of a dual program, states of an infinite horizon) and many
    histories is explained from its own tables, with nothing written out.

    Parameters
    ----------
    answer : Optimum, or a mechanism
        Of any form that has states of its own or can be written over histories.
    lotteries : bool
        Find out what they are worth in an optimum.

    Returns
    -------
    Explanation or PolicyExplanation
        ``print`` it; ``.states``, ``.mechanism``, ``.to_frame()``, ``.to_html()``; an Explanation has ``.shares``
        and ``.plot()`` as well.

    Raises
    ------
    InputError
        If there is no mechanism, or it is only a limit of mechanisms.
    LimitError
        If it has too many histories.

    Examples
    --------
    >>> import mechopt as mo
    >>> best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3))
    >>> print(mo.explain(best))
    optimal revenue 7/2; 7 histories in 3 states, 3 payments
    fee plus price: an entry payment by the first report, then 2 for each item
    verified: dic satisfied, epir satisfied
    <BLANKLINE>
       state           when    report  then  pays  next
    ───────────────────────────────────────────────────
    A  start           t=0     1       sell     1  B
                               2       sell     0  C
    B  first report 1  t=1..2  1       keep     0  B
                               2       sell     2  B
    C  first report 2  t=1..2  any     sell     2  C
    likeliest histories
      12.5%  1 1 1
      12.5%  1 1 2
      12.5%  1 2 1
      12.5%  1 2 2
      12.5%  2 1 1
      37.5%  in 3 more
    remembering less earns: nothing of the past 85.71%; the last report 96.43%
    """
    mechanism = answer.mechanism if isinstance(answer, Optimum) else answer
    if isinstance(mechanism, WITH_TABLES) and _histories(mechanism) > FEW_HISTORIES:
        return _from_tables(answer, mechanism)
    if isinstance(answer, Optimum):
        return explain_optimum(answer, lotteries)
    return explain_mechanism(answer)


WITH_TABLES = (
    PromisePolicy,
    BuyersPolicy,
    PersistentPolicy,
    BankTable,
    StateMechanism,
    MarkovMechanism,
    ContractedMechanism,
)


def _histories(mechanism: Any) -> float:
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


def _from_tables(answer: Any, mechanism: Any) -> PolicyExplanation:
    """What the tables hold, with what is proved of them."""
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
