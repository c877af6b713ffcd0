"""First best where types persist, in fractions, equals that of the arrays, and as a function that of a formula."""

from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.closedform.surplus import persistent_first_best
from mechopt.core.errors import InputError
from mechopt.study.formula.ratio import closed_form
from tests.parametric_models import CASES

PERSISTENT = [
    name
    for name in CASES
    if any(f'kind = "{kind}"' in CASES[name].text for kind in ("markov", "interdependent", "separable"))
]


@pytest.mark.parametrize("name", PERSISTENT)
def test_first_best_is_that_of_the_environment(name: str) -> None:
    model, random = mo.formats.loads_parametric(CASES[name].text), Random(name)
    if any(getattr(model.exact, key) is not None for key in ("outside", "discounts")):
        with pytest.raises(InputError, match="not known as a function"):
            closed_form(model, "first-best")
        return
    pieces = closed_form(model, "first-best")
    for _ in range(4):
        point = model.start + (model.stop - model.start) * Fraction(random.randrange(1, 997), 997)
        environment = model.at(point)
        exact = persistent_first_best(environment)
        assert float(exact) == pytest.approx(environment.first_best, abs=1e-12)
        assert {piece.function(point) for piece in pieces if point in piece} == {exact}


def test_the_optimum_is_the_first_best_but_at_the_point_that_stands_apart() -> None:
    found = mo.formula(CASES["interdependent-bayesian"].text, "bayesian", "interim", prove=False)
    assert found.equals["first-best"]
    hole = mo.formula(CASES["interdependent"].text, "periodic-ex-post", "interim", prove=False)
    for start, stop in hole.equals["first-best"]:
        assert not any(start < point < stop for point in hole.points)
