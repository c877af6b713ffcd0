"""The public way in: anything that is, or has, a mechanism."""

from __future__ import annotations

from typing import Any

from mechopt.show.explain.explanation import Explanation, explain_mechanism, explain_optimum
from mechopt.solve.result import Optimum


def explain(answer: Any) -> Explanation:
    """Say what a mechanism does by states instead of histories.

    Of an optimum the simplest optimal mechanism is found: what it must remember, then the allocation, then payments
    that are easy to read; it is verified and earns the optimum. Every other mechanism is shown with its own payments.

    Parameters
    ----------
    answer : Optimum, or a mechanism of any form that can be written over histories

    Returns
    -------
    Explanation
        ``print`` it; ``.states``, ``.shares``, ``.mechanism``, ``.to_frame()``, ``.to_html()``, ``.plot()``.

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
    return explain_optimum(answer) if isinstance(answer, Optimum) else explain_mechanism(answer)
