"""Parametric models of every kind, small enough to be solved exactly at many points."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A model with what is asked."""

    text: str
    ic: str | None = None
    ir: str | None = None
    objective: str = "revenue"


def independent(
    horizon: int,
    values: str = "[1, 2]",
    probabilities: str = '["1 - p", "p"]',
    interval: str = '["0", "1"]',
    name: str = "p",
    extra: str = "",
    count: int = 1,
    more: str = "",
) -> str:
    """A model with types independent across periods."""
    return f"""
kind = "independent"
horizon = {horizon}
{extra}
[parameters]
{name} = {interval}
[[buyers]]
values = {values}
probabilities = {probabilities}
count = {count}
{more}
"""


def battaglini(horizon: int, initial: str = '["2/5", "3/5"]', interval: str = '["0", "1"]', extra: str = "") -> str:
    """One buyer whose type stays with probability a."""
    return f"""
kind = "markov"
horizon = {horizon}
actions = ["none", "sell"]
{extra}
[parameters]
a = {interval}
[[agents]]
types = ["low", "high"]
initial = {initial}
values = [[0, 0], [1, 2]]
kernel = [["a", "1 - a"], ["1 - a", "a"]]
"""


TWO_AGENTS = """
kind = "markov"
horizon = 2
discount = "9/10"
actions = ["none", "A", "B"]
cost = [0, "c", "1/2"]
[parameters]
c = ["0", "1"]
[[agents]]
initial = ["1/3", "2/3"]
values = [[0, 0], [1, 2], [0, 0]]
kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
[[agents]]
initial = ["1/2", "1/2"]
values = [[0, 0], [0, 0], [1, 3]]
kernel = [["2/3", "1/3"], ["1/3", "2/3"]]
"""
LEARNING = """
kind = "markov"
horizon = 3
actions = ["none", "sell"]
[parameters]
b = ["0", "1"]
[[agents]]
initial = ["1/2", "1/2"]
values = [[0, 0], [1, 3]]
kernel = [[[1, 0], [0, 1]], [["1 - b", "b"], ["0", 1]]]
"""
INTERDEPENDENT = """
kind = "interdependent"
horizon = 1
actions = ["1", "2"]
initial = [["1/2 - r", "r"], ["r", "1/2 - r"]]
[parameters]
r = ["0", "1/2"]
[[agents]]
values = [[[1, 1], [2, "2 + r"]], [[0, 0], [0, 0]]]
[[agents]]
values = [[[0, 0], [0, 0]], [[1, "1 + r"], [1, 2]]]
"""
INTERDEPENDENT_TWO = (
    INTERDEPENDENT.replace("horizon = 1", "horizon = 2")
    .replace(
        "[parameters]",
        """kernel = [[["1/2", "0"], ["0", "1/2"]], [["1/4", "1/4"], ["1/4", "1/4"]]]
[parameters]""",
    )
    .replace(
        'kernel = [[["1/2", "0"], ["0", "1/2"]], [["1/4", "1/4"], ["1/4", "1/4"]]]',
        'kernel = [[[["1/2", "0"], ["0", "1/2"]], [["1/4", "1/4"], ["1/4", "1/4"]]], '
        '[[["1/2 - r", "r"], ["r", "1/2 - r"]], [["1/4", "1/4"], ["1/4", "1/4"]]]]',
    )
)
SEPARABLE = """
kind = "separable"
horizon = 2
actions = ["none", "sell"]
cost = [0, "1/2"]
[parameters]
q = ["0", "1"]
[[agents]]
initial.values = ["1/2", 1]
initial.probabilities = ["1 - q", "q"]
signals = ["cold", "hot"]
signal_initial = ["1/2", "1/2"]
signal_kernel = [["9/10", "1/10"], ["1/5", "4/5"]]
base = [[0, 0], ["1/2", 2]]
"""
EQUAL_REVENUE = """
kind = "scenarios"
[parameters]
p = ["0", "1"]
[[distributions]]
name = "F1"
values = [1, 4]
probabilities = ["1 - p", "p"]
[[distributions]]
name = "F2"
values = [2, 4, 8, 16, 32]
probabilities = ["1/2", "1/4", "1/8", "1/16", "1/16"]
[[scenarios]]
sequence = ["F1"]
[[scenarios]]
sequence = ["F1", "F2"]
"""
HALF = '["1/2", "1/2"]'
AGENT_OUTSIDE = battaglini(2, interval='["1/2", "1"]').replace("kernel", 'outside = ["a/4", "1/4"]\nkernel')
SELLER = 'seller_values = [[0, 0], ["-a", "a - 1/2"]]'
TEN = '[1, 2, 3, 4, 5, 6, 7, "h"]', '["1/8", "1/8", "1/8", "1/8", "1/8", "1/8", "1/8", "1/8"]'
STOCK = """
kind = "markov"
horizon = 3
actions = ["keep", "sell"]
[parameters]
p = ["0", "1"]
[[agents]]
types = ["low", "high"]
initial = ["1 - p", "p"]
values = [[0, 0], [1, 2]]
kernel = [["1 - p", "p"], ["1/3", "2/3"]]
[[states]]
name = "stock"
values = ["0", "1"]
initial = [0, 1]
kernel = [[[1, 0], [0, 1]], [[1, 0], ["1 - p", "p"]]]
forbidden = { "0" = ["sell"] }
"""

DEMAND = """
kind = "markov"
horizon = 2
actions = ["none", "first", "second"]
cost = [0, "1/5", "1/5"]
[parameters]
p = ["0", "1"]
[[agents]]
types = ["l", "h"]
initial = ["1 - p", "p"]
values = [[0, 0], [1, 2], [0, 0]]
kernel = [["2/3", "1/3"], ["1 - p", "p"]]
values_by_state = [[[0, 0], [1, 2], [0, 0]], [[0, 0], ["1 + p", 3], [0, 0]]]
[[agents]]
types = ["only"]
initial = [1]
values = [[0], [0], [1]]
kernel = [[1]]
[[states]]
name = "demand"
values = ["slack", "busy"]
initial = ["p", "1 - p"]
kernel = [["1/2", "1/2"], ["p/2", "1 - p/2"]]
"""


CASES: dict[str, Case] = {
    "p-1": Case(independent(1)),
    "p-3": Case(independent(3)),
    "p-4": Case(independent(4)),
    "p-3-part": Case(independent(3, interval='["1/3", "3/5"]')),
    "h-3": Case(independent(3, '[1, "h"]', HALF, '["1", "6"]', "h")),
    "low-value": Case(independent(3, '["l", 2]', HALF, '["0", "2"]', "l")),
    "scale": Case(independent(2, '["s", "2*s"]', '["1/3", "2/3"]', '["1/2", "900"]', "s")),
    "discount": Case(independent(3, "[1, 2]", HALF, '["0", "1"]', "d", 'discount = "d"')),
    "discount-124": Case(independent(3, "[1, 2, 4]", '["1/2", "1/4", "1/4"]', '["0", "1"]', "d", 'discount = "d"')),
    "cost": Case(independent(3, "[1, 2]", HALF, '["0", "3"]', "c", 'cost = "c"')),
    "cost-by-period": Case(independent(2, "[1, 2]", HALF, '["0", "2"]', "c", 'cost = ["c", "2 - c"]')),
    "quotient": Case(
        independent(2, "[1, 2, 4]", '["1/(1+r+r**2)", "r/(1+r+r**2)", "r**2/(1+r+r**2)"]', '["0", "2"]', "r")
    ),
    "one-type": Case(independent(3, '["v"]', "[1]", '["0", "2"]', "v")),
    "zero-value": Case(independent(2, "[0, 1, 3]", '["1/4", "3/4 - p", "p"]', '["0", "3/4"]')),
    "zero-probability": Case(independent(3, "[1, 2, 3]", '["1 - p", 0, "p"]')),
    "two-buyers": Case(independent(2, count=2)),
    "two-unlike-buyers": Case(
        independent(2, more='[[buyers]]\nvalues = [0, 1, 3]\nprobabilities = ["1/2", "1/4", "1/4"]')
    ),
    "three-buyers": Case(independent(1, "[1, 2, 4]", '["1 - q", "q/2", "q/2"]', name="q", count=3)),
    "periods-differ": Case(
        independent(2)
        .replace(
            'values = [1, 2]\nprobabilities = ["1 - p", "p"]',
            '[[buyers.periods]]\nvalues = [1, 2]\nprobabilities = ["1 - p", "p"]\n'
            '[[buyers.periods]]\nvalues = [1, 3, 4]\nprobabilities = ["p", "1/2 - p/2", "1/2 - p/2"]',
        )
        .replace("count = 1\n", "")
    ),
    "promise-form": Case(independent(2, *TEN, '["7", "40"]', "h")),
    "ppic-indu": Case(independent(2), "ppic+indu", "prefix"),
    "ppic-alone": Case(independent(2), "ppic", "per-period"),
    "per-period": Case(independent(3), "dic", "per-period"),
    "interim": Case(independent(3), "dic", "interim"),
    "periodic": Case(independent(2, count=2), "dic", "periodic"),
    "ex-post": Case(independent(2, count=2), "ex-post", "epir"),
    "super-dic": Case(independent(3), "super-dic", "epir"),
    "interim-two-buyers": Case(independent(1, count=2), "dic", "interim"),
    "welfare-revenue": Case(independent(3), objective="revenue+0.5*welfare"),
    "utility-revenue": Case(independent(2, count=2), objective="revenue+0.25*utility"),
    "budget": Case(independent(2, "[1, 2]", HALF, '["0", "4"]', "B", 'subject_to = ["budget:B"]')),
    "budget-in-p": Case(independent(2, extra='subject_to = ["no-subsidy", "budget:1 + p"]')),
    "cap-two-buyers": Case(independent(1, count=2, extra='subject_to = ["payment-cap:1 + p/2, 3/2"]')),
    "prefix-budget": Case(independent(2, extra='subject_to = "prefix-budget:3/2"')),
    "balance": Case(independent(1, count=2, extra='cost = "1/2"\nsubject_to = "strong-budget-balance"')),
    "ex-ante-balance": Case(
        independent(2, extra='cost = "3/2"\nsubject_to = "ex-ante-budget-balance"'), objective="welfare"
    ),
    "no-money": Case(independent(2, count=2, extra='subject_to = "no-money"'), objective="welfare"),
    "outside": Case(independent(2, "[1, 2]", HALF, '["0", "2"]', "w", more='outside = "w"')),
    "outside-by-type": Case(independent(2, more='outside = [["p/2", "1/3"], ["1/5", "p"]]'), "dic", "periodic"),
    "outside-ex-ante": Case(independent(2, count=2, more='outside = [["p/2", "1/3"], [0, 0]]'), "dic", "interim"),
    "seller-values": Case(independent(2, more='seller_values = ["-p", "p - 1/2"]')),
    "own-discount": Case(
        independent(2, "[1, 2]", HALF, '["0", "1"]', "d", 'subject_to = "no-subsidy"', more='discount = "d"')
    ),
    "units": Case(independent(1, count=3, extra="supply = 2")),
    "slots": Case(independent(1, "[1, 2]", HALF, '["0", "1"]', "w", 'slots = [1, "w"]', count=2)),
    "battaglini-budget": Case(battaglini(2, extra='subject_to = ["budget:1 + a"]'), ir="epir"),
    "battaglini-cap": Case(battaglini(2, extra='subject_to = ["payment-cap:a", "no-subsidy"]')),
    "battaglini-outside": Case(AGENT_OUTSIDE, "bayesian", "periodic"),
    "battaglini-seller": Case(battaglini(2, extra=SELLER), "bayesian", "interim"),
    "battaglini-myopic": Case(battaglini(2, extra=SELLER), "bayesian+myopic", "interim"),
    "battaglini-own-discount": Case(
        battaglini(2, extra='subject_to = "no-subsidy"').replace("types = ", 'discount = "a"\ntypes = '),
        "bayesian",
        "epir",
    ),
    "battaglini-interim": Case(battaglini(3)),
    "battaglini-epir": Case(battaglini(3), ir="epir"),
    "battaglini-periodic": Case(battaglini(3), ir="periodic"),
    "battaglini-adjacent": Case(battaglini(3), "adjacent"),
    "battaglini-downward": Case(battaglini(3), "downward"),
    "battaglini-hidden": Case(battaglini(2), "bayesian-own", "interim"),
    "battaglini-actions": Case(battaglini(2), "bayesian-actions", "interim"),
    "battaglini-prefix": Case(battaglini(2), "bayesian", "prefix"),
    "battaglini-per-period": Case(battaglini(2), "bayesian", "per-period"),
    "battaglini-initial": Case(battaglini(3, '["1 - a", "a"]')),
    "battaglini-discount": Case(battaglini(3, extra='discount = "a/2 + 1/3"')),
    "battaglini-cost": Case(battaglini(2, extra='cost = [0, "a"]')),
    "two-agents": Case(TWO_AGENTS),
    "two-agents-ex-post": Case(TWO_AGENTS, "periodic-ex-post", "periodic"),
    "two-agents-ex-post-ir": Case(TWO_AGENTS, "periodic-ex-post", "periodic-ex-post-ir"),
    "learning": Case(LEARNING),
    "learning-own": Case(LEARNING, "bayesian-own", "interim"),
    "learning-epir": Case(LEARNING, "bayesian", "epir"),
    "interdependent": Case(INTERDEPENDENT, "periodic-ex-post", "periodic"),
    "interdependent-bayesian": Case(
        INTERDEPENDENT.replace('["0", "1/2"]', '["1/3", "1/2"]'), "periodic-ex-post", "interim"
    ),
    "interdependent-two": Case(INTERDEPENDENT_TWO, "periodic-ex-post", "periodic"),
    "stock": Case(STOCK, "bayesian", "epir"),
    "stock-myopic": Case(STOCK, "myopic", "per-period"),
    "demand": Case(DEMAND, "periodic-ex-post", "periodic"),
    "separable": Case(SEPARABLE),
    "separable-epir": Case(SEPARABLE, "bayesian", "epir"),
    "separable-additive": Case(
        SEPARABLE.replace("[[agents]]", '[[agents]]\nform = "additive"\nrate = [0, "q"]').replace(
            '["1 - q", "q"]', '["1/3", "2/3"]'
        )
    ),
}
