"""The public way in: anything that is, or has, a mechanism."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.explanation import Explanation, explain_mechanism, explain_optimum
from mechopt.solve.result import Optimum

if TYPE_CHECKING:
    from mechopt.show.explain.policies.explanation import PolicyExplanation

FEW_HISTORIES = 2_000
"""Histories up to which a mechanism that has states of its own is written out, and readable payments are looked for."""


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
        ``print`` it; ``.states``, ``.mechanism``, ``.to_frame()``, ``.to_html()``, ``.to_latex()``,
        ``.to_networkx()``, ``.plot()``; an Explanation has ``.shares`` as well.

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
    if not isinstance(mechanism, Mechanism | SequenceMechanism):
        from mechopt.show.explain.policies import by_tables

        if isinstance(mechanism, by_tables.WITH_TABLES) and by_tables.histories(mechanism) > FEW_HISTORIES:
            return by_tables.from_tables(answer, mechanism)
    if isinstance(answer, Optimum):
        return explain_optimum(answer, lotteries)
    return explain_mechanism(answer)
