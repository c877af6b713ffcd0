"""The checker's rows against those of the programs, fraction by fraction: two writings of each constraint.

What solves a program and what checks its proof share no code; here every row, side, bound, cost and column of one is
compared with the other's, for every form, every constraint and every constraint on payments.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.numbers import to_exact
from mechopt.lp.build import compile_program, plan
from mechopt.lp.independent.plan import Plan
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from mechopt.proof.independent import rebuild
from mechopt.proof.persistent import rebuild_persistent
from mechopt.solve.exact.independent import exact_program
from mechopt.solve.exact.persistent import exact_persistent_program
from tests.persistent_exact import COMBINATIONS, random_interdependent, tiny
from tests.persistent_instances import battaglini, three_types
from tests.proofs import FORMS

MIXED = mo.Revenue() + 0.5 * mo.Welfare() + 0.25 * mo.Utility()
PAYMENTS = [
    None,
    mo.NoMoney(),
    mo.NoSubsidy(),
    mo.PaymentCap("3/2"),
    mo.Budget("7/3"),
    mo.PrefixBudget("7/3"),
    mo.WeakBudgetBalance(),
    mo.StrongBudgetBalance(),
    mo.ExAnteBudgetBalance(),
]
INCENTIVES = [(), *((c,) for c in INDEPENDENT_CONSTRAINTS if c.role == "ic" and c != mo.INDU())]
INCENTIVES += [(mo.PPIC(), mo.INDU()), (mo.DIC(), mo.INDU())]
PARTICIPATIONS = [(), *((c,) for c in INDEPENDENT_CONSTRAINTS if c.role == "ir"), (mo.PFIR(), mo.PPIR())]
PARTICIPATIONS += [(mo.PFIR(), mo.PEIR(), mo.Interim()), (mo.PeriodicIR(), mo.ExpectedContinuationIR())]

ONE = mo.IndependentTypes(
    [[[1, 3, 4, 9], [2, 5], [1, 2, 7]]],
    [[["1/7", "2/7", "3/7", "1/7"], ["1/3", "2/3"], ["1/2", 0, "1/2"]]],
    cost=[2, 0, "5/2"],
    discount="9/10",
)
ONE_TYPE = mo.IndependentTypes([[[3], [1, 4], [2]]], [[[1], ["1/4", "3/4"], [1]]], cost=["1/2", 2, 3], discount="1/3")
TWO = mo.IndependentTypes(
    [[[1, 3], [2, 5, 6]], [[0, 2, 7], [4]]],
    [[["1/5", "4/5"], ["1/2", "1/3", "1/6"]], [["1/4", 0, "3/4"], [1]]],
    cost=["1/2", 1],
    discount="2/3",
)
THREE = mo.IndependentTypes(
    [[[1, 3]], [[2, 5, 6]], [[0, 4]]],
    [[["1/5", "4/5"]], [["1/2", "1/3", "1/6"]], [["2/7", "5/7"]]],
    cost=["3/2"],
)


def assert_same(chosen, model):
    """The exact twin of a program and the program that the checker rebuilt."""
    program, _ = compile_program(chosen)
    twin = (exact_program if isinstance(chosen, Plan) else exact_persistent_program)(chosen, program)
    rows = list(model.rows())
    assert (model.row_count, model.columns) == (len(rows), len(model.cost)) == program.size[:2]
    starts = [first for first, _ in program.families]
    for r, row in enumerate(rows):
        part = slice(int(twin.start[r]), int(twin.start[r + 1]))
        expected = {int(j): Fraction(int(v), int(twin.factor[r])) for j, v in zip(twin.index[part], twin.value[part], strict=True)}
        found = dict.fromkeys((j for j, _ in row.entries), Fraction(0))
        for j, coefficient in row.entries:
            found[j] += coefficient
        assert {j: c for j, c in found.items() if c} == expected, program.describe_row(r)
        assert (row.lower, row.upper) == (side(twin.row_lower[r]), side(twin.row_upper[r])), program.describe_row(r)
        family = program.families[int(np.searchsorted(starts, r, side="right")) - 1][1]
        assert row.place[:2] == (family.period, family.agent), program.describe_row(r)
    assert model.cost == [Fraction(int(c), twin.denominator) for c in twin.cost]
    assert model.offset == twin.offset
    assert model.lower == [side(bound) for bound in twin.lower]
    assert model.upper == [side(bound) for bound in twin.upper]


def side(number):
    return Fraction(float(number)) if np.isfinite(number) else None


def rebuilt(chosen):
    goal = chosen.objective
    weights = tuple(to_exact(weight) for weight in (goal.revenue, goal.welfare, goal.utility))
    build = rebuild if isinstance(chosen, Plan) else rebuild_persistent
    return build(chosen.environment, chosen.form, chosen.ic, chosen.ir, weights, chosen.subject_to)


def compare(env, ic, ir, form, subject_to=None):
    """Whether there is such a program; where there is, the two agree."""
    try:
        chosen = plan(env, ic, ir, MIXED, form, subject_to=subject_to)
    except mo.InputError:
        return False
    assert_same(chosen, rebuilt(chosen))
    return True


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("env", [ONE, ONE_TYPE, TWO, THREE], ids=["one", "one-type", "two", "three"])
def test_types_independent_across_periods(env, form):
    compared = sum(compare(env, ic, ir, form) for ic, ir in product(INCENTIVES, PARTICIPATIONS))
    assert compared >= {"promise": 0, "utility": 8, "payment": 60}[form]


@pytest.mark.parametrize("env", [ONE, TWO], ids=["one", "two"])
def test_payments_where_types_are_independent(env):
    compared = 0
    for subject_to in PAYMENTS[1:]:
        for form in ("utility", "payment"):
            compared += compare(env, mo.PPIC(), (mo.PFIR(), mo.PPIR()), form, subject_to)
            compared += compare(env, mo.DIC(), mo.EPIR(), form, subject_to)
    assert compared >= 8


def test_persistent_types():
    for seed, (ic, ir) in enumerate(COMBINATIONS):
        assert compare(tiny(seed), ic, ir, "auto")
    for env in (battaglini(3), three_types(), random_interdependent(1, (2, 2))):
        for ic, ir in COMBINATIONS[:: len(COMBINATIONS) // 12]:
            assert compare(env, ic, ir, "auto")


def test_payments_where_types_are_persistent():
    compared = 0
    for seed, subject_to in enumerate(PAYMENTS[1:]):
        for env in (battaglini(2), tiny(seed)):
            compared += compare(env, mo.BayesianIC(), mo.EPIR(), "auto", subject_to)
    assert compared >= 8
