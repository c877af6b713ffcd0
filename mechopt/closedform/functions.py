"""Revenues of closed-form mechanisms in exact numbers of any ordered field: fractions, or functions of a parameter.

Everything here is arithmetic and comparisons, so that with functions for numbers (`mechopt.core.functions`) it gives
the revenue as a function, valid as long as no comparison comes out differently. Each is written once more here, apart
from the arrays of the mechanism itself, and the tests hold the two together. A cost is taken off the values as in
`mechopt.closedform.static.repeated`.

`REVENUES` are of environments with types that are independent across periods, `SEPARABLE_REVENUES` of separable ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mechopt.closedform.bank.functions import asymptotic_revenue, balance_revenue, two_period_revenue
from mechopt.closedform.static.functions import Number, first_best, myerson_revenue, second_price_revenue
from mechopt.closedform.virtual.contract_functions import contract_profit
from mechopt.closedform.virtual.functions import Separable, virtual_bound, virtual_profit

REVENUES: dict[str, Callable[[Any], Number]] = {
    "repeated-myerson": myerson_revenue,
    "repeated-second-price": second_price_revenue,
    "non-clairvoyant-balance": balance_revenue,
    "two-period": two_period_revenue,
    "asymptotic": asymptotic_revenue,
    "first-best": first_best,
}
"""By the name that comparisons have for them, and the first best."""

SEPARABLE_REVENUES: dict[str, Callable[[Separable], Number]] = {
    "virtual-pivot": virtual_profit,
    "virtual-bound": virtual_bound,
    "optimal-contract": contract_profit,
}
"""By name: the virtual pivot where (16) holds, its bound, which is not a mechanism's revenue, and the best menu."""
