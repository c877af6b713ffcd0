"""Random environments for property tests: unequal supports, zero probabilities, ties in revenue, costs, discounts."""

from fractions import Fraction

from hypothesis import strategies as st

import mechopt as mo

INCENTIVES = {
    "dic": (mo.DIC(),),
    "ex-post": (mo.ExPostIC(),),
    "ppic": (mo.PPIC(),),
    "indu": (mo.INDU(),),
    "super-dic": (mo.SuperDIC(),),
    "ppic+indu": (mo.PPIC(), mo.INDU()),
    "dic+ppic": (mo.DIC(), mo.PPIC()),
    "ex-post+indu": (mo.ExPostIC(), mo.INDU()),
    "none": (),
}
PARTICIPATION = {
    "epir": (mo.EPIR(),),
    "prefix": (mo.PFIR(),),
    "per-period": (mo.PPIR(),),
    "per-period-expected": (mo.PEIR(),),
    "interim": (mo.Interim(),),
    "periodic": (mo.PeriodicIR(),),
    "expected-continuation": (mo.ExpectedContinuationIR(),),
    "ex-ante": (mo.ExAnteIR(),),
    "prefix+per-period-expected": (mo.PFIR(), mo.PEIR()),
    "epir+periodic": (mo.EPIR(), mo.PeriodicIR()),
}

incentives = st.sampled_from(list(INCENTIVES.values()))
participations = st.sampled_from(list(PARTICIPATION.values()))


@st.composite
def distributions(draw, max_types, zeros=True):
    values = draw(st.lists(st.integers(0, 12), min_size=1, max_size=max_types, unique=True).map(sorted))
    weights = draw(st.lists(st.integers(0 if zeros else 1, 4), min_size=len(values), max_size=len(values)))
    weights = weights if sum(weights) else [1] * len(values)
    return values, [Fraction(w, sum(weights)) for w in weights]


@st.composite
def environments(draw, max_buyers=2, max_periods=3, max_types=3, zeros=True):
    """Environments small enough for every program: two buyers have at most two periods."""
    buyers = draw(st.integers(1, max_buyers))
    periods = draw(st.integers(1, max_periods if buyers == 1 else min(max_periods, 2)))
    rows = [[draw(distributions(max_types, zeros)) for _ in range(periods)] for _ in range(buyers)]
    values, probabilities = ([[pair[part] for pair in row] for row in rows] for part in (0, 1))
    cost = draw(st.lists(st.integers(0, 4), min_size=periods, max_size=periods))
    return mo.IndependentTypes(values, probabilities, cost, draw(st.sampled_from(["1", "9/10", "1/2"])))
