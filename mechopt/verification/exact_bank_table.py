"""The conditions of a bank table in fractions, by plain loops; see `mechopt.mechanism.bank_table`."""

from __future__ import annotations

from fractions import Fraction

from mechopt.mechanism.bank_table import BankTable
from mechopt.verification.exact import fractions, require_few
from mechopt.verification.rounding import Answer, ExactVerdict

Place = tuple[int, int, int | None, int | None]
"""Period, row, true type (not for BI), report (for IC)."""


def exact_conditions(table: BankTable, tolerance: float) -> dict[str, tuple[Answer, Place | None]]:
    """Largest violation of each condition, and where it is.

    Raises
    ------
    LimitError
        If there are too many rows.
    """
    env = table.environment
    require_few(sum(p.payment.size * p.payment.shape[1] for p in table.periods), "the check of a bank table")
    exact = env.exact
    discount = Fraction(env.discount) if exact is None else exact.discount
    verdicts = {name: ExactVerdict(tolerance) for name in ("IC", "BI", "BU")}
    for t, period in enumerate(table.periods):
        values = fractions(env.values[0][t]) if exact is None else list(exact.values[0][t])
        distribution = fractions(env.probabilities[0][t]) if exact is None else list(exact.probabilities[0][t])
        worth = [discount**t * value for value in values]
        balances = fractions(period.balances)
        after = fractions(table.periods[t + 1].balances) if t + 1 < len(table.periods) else [Fraction(0)]
        sold, paid, share = (
            [fractions(row) for row in part] for part in (period.allocation, period.payment, period.share)
        )
        average = list[Fraction]()
        for row, balance in enumerate(balances):
            utility = [worth[k] * sold[row][k] - paid[row][k] for k in range(len(worth))]
            average.append(sum((p * u for p, u in zip(distribution, utility, strict=True)), Fraction(0)))
            for k, value in enumerate(worth):
                for j in range(len(worth)):
                    verdicts["IC"].add(value * sold[row][j] - paid[row][j] - utility[k], (t, row, k, j))
                first, up = int(period.after[row, k]), share[row][k]
                mean = (1 - up) * after[first] + (up * after[first + 1] if up > 0 else 0)
                verdicts["BU"].add(mean - balance - utility[k], (t, row, k, -1))
        for row, expected in enumerate(average):
            verdicts["BI"].add(max(expected - min(average), -expected), (t, row, -1, -1))
    found = dict[str, tuple[Answer, Place | None]]()
    for name, verdict in verdicts.items():
        place = verdict.place
        shown = None if place is None else (place[0], place[1], *(None if k < 0 else k for k in place[2:]))
        found[name] = verdict.answer, shown  # type: ignore[assignment]
    return found
