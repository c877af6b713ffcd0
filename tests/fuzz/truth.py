"""What a mechanism file says, judged by loops and fractions of the tests' own: DIC and EPIR for one buyer.

Each float is the fraction that it is. At each history of reports, type k gains from report j what it is worth in the
period and, as types are independent, in expectation over truthful play afterwards.
"""

import io
from fractions import Fraction
from itertools import product

import numpy as np


def columns_of(content, types, periods):
    """Allocation and payment by path of reports, or None where the file is not made like that."""
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        parts = {name: np.asarray(loaded[name], np.float64) for name in ("allocation", "payment")}
    tables = {}
    for name, column in parts.items():
        if not np.isfinite(column).all():
            return None
        paths = [path for t in range(1, periods + 1) for path in product(range(types), repeat=t)]
        tables[name] = dict(zip(paths, map(Fraction, column.ravel().tolist()), strict=True))
    return tables["allocation"], tables["payment"]


def largest_violations(content, values, chances, periods):
    """Largest gain from a misreport and from staying out, in fractions; of one buyer without discount."""
    found = columns_of(content, len(values), periods)
    if found is None:
        return None
    sold, paid = found
    if any(not -Fraction(1, 10**6) <= x <= 1 + Fraction(1, 10**6) for x in sold.values()):
        return None
    types = range(len(values))

    def later(history):
        """Expected utility of truthful play after a history of reports."""
        if len(history) == periods:
            return Fraction(0)
        after = [(k, (*history, k)) for k in types]
        return sum(chances[k] * (values[k] * sold[path] - paid[path] + later(path)) for k, path in after)

    gain = Fraction(0)
    for t in range(periods):
        for history in product(types, repeat=t):
            for k in types:
                worth = [values[k] * sold[(*history, j)] - paid[(*history, j)] + later((*history, j)) for j in types]
                gain = max(gain, max(worth) - worth[k])
    loss = max(
        -sum(values[path[t]] * sold[path[: t + 1]] - paid[path[: t + 1]] for t in range(periods))
        for path in product(types, repeat=periods)
    )
    return gain, loss
