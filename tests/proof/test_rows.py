"""The checker's rows against those of the programs, fraction by fraction: two writings of each constraint.

What solves a program and what checks its proof share no code; here every row, side, bound, cost and column of one is
compared with the other's, for every form, every constraint and every constraint on payments.
"""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.numbers import to_exact
from mechopt.lp.build import compile_program, plan
from mechopt.lp.independent.plan import Plan
from mechopt.lp.orbits import compile_orbits, why_not_orbits
from mechopt.lp.scenarios.terms import scenario_terms
from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS
from mechopt.proof.independent import rebuild
from mechopt.proof.orbits import OrbitModel
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.proof.scenarios import GuaranteeModel, GuaranteeTerms
from mechopt.solve.exact.guarantee import exact_guarantee_program
from mechopt.solve.exact.independent import exact_program
from mechopt.solve.exact.orbits import exact_orbit_program
from mechopt.solve.exact.persistent import exact_persistent_program
from tests.persistent_exact import COMBINATIONS, _distributions, random_interdependent, tiny
from tests.persistent_instances import battaglini, three_types
from tests.proofs import FORMS
from tests.solve.exact.test_guarantee import scenarios

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
    (mo.NoSubsidy(), mo.Budget("7/3")),
]
INCENTIVES = [(), *((c,) for c in INDEPENDENT_CONSTRAINTS if c.role == "ic" and c != mo.INDU())]
INCENTIVES += [(mo.PPIC(), mo.INDU()), (mo.DIC(), mo.INDU())]
PARTICIPATIONS = [(), *((c,) for c in INDEPENDENT_CONSTRAINTS if c.role == "ir"), (mo.PFIR(), mo.PPIR())]
PARTICIPATIONS += [(mo.PFIR(), mo.PEIR(), mo.Interim()), (mo.PeriodicIR(), mo.ExpectedContinuationIR())]

ONE = mo.IndependentTypes(
    [[[1, "3/2", "9/4", 9], [2, 5], [1, 2, 7]]],
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


def assert_same(program, twin, model):
    """A program with its exact twin, and the program that the checker rebuilt."""
    rows = list(model.rows())
    assert (model.row_count, model.columns) == (len(rows), len(model.cost)) == program.size[:2]
    for r, row in enumerate(rows):
        part = slice(int(twin.start[r]), int(twin.start[r + 1]))
        numbers = zip(twin.index[part], twin.value[part], strict=True)
        expected = {int(j): Fraction(int(number), int(twin.factor[r])) for j, number in numbers}
        found = dict.fromkeys((j for j, _ in row.entries), Fraction(0))
        for j, coefficient in row.entries:
            found[j] += coefficient
        words = program.describe_row(r)
        assert {j: c for j, c in found.items() if c} == expected, words
        assert (row.lower, row.upper) == (side(twin.row_lower[r]), side(twin.row_upper[r])), words
    assert model.cost == [Fraction(int(c), twin.denominator) for c in twin.cost]
    assert model.offset == twin.offset
    assert model.lower == [side(bound) for bound in twin.lower]
    assert model.upper == [side(bound) for bound in twin.upper]


ELSEWHERE = {  # what the program calls rows that the checker names otherwise
    "lowest slope": "dic (lowest slope)",
    "rising slope": "dic (rising slope)",
    "highest slope": "dic (highest slope)",
    "all interim value": "bayesian",
    "adjacent interim value": "adjacent",
    "all strategy value": "bayesian",
    "downward interim value": "downward",
    "periodic-ex-post ex post value": "periodic-ex-post",
    "none interim value": "value",
    "none ex post value": "value",
}


def assert_places(program, model):
    """Name, period and agent of each row, as it says them."""
    starts = [first for first, _ in program.families]
    for r, row in enumerate(model.rows()):
        family = program.families[int(np.searchsorted(starts, r, side="right")) - 1][1]
        assert row.place[:2] == (family.period, family.agent), program.describe_row(r)
        assert ELSEWHERE.get(row.name, row.name) == family.name, row.name


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
    program, _ = compile_program(chosen)
    twin = (exact_program if isinstance(chosen, Plan) else exact_persistent_program)(chosen, program)
    assert_same(program, twin, rebuilt(chosen))
    assert_places(program, rebuilt(chosen))
    return True


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ic", INCENTIVES, ids=lambda ic: "-".join(c.name for c in ic) or "none")
def test_types_independent_across_periods(ic, form):
    counts = [sum(compare(env, ic, ir, form) for ir in PARTICIPATIONS) for env in (ONE, ONE_TYPE, TWO, THREE)]
    least = 0 if ic == (mo.PPIC(),) else 7 if mo.INDU() in ic else 9
    if form == "payment":
        assert counts == [len(PARTICIPATIONS)] * 4  # it can say everything
    elif form == "utility":
        assert min(counts) >= least  # but for what is about payments of one period
    else:  # one buyer alone, and not without incentive constraints or future by future
        assert min(counts[:2]) >= (0 if ic in ((), (mo.SuperDIC(),)) else least) and counts[2:] == [0, 0]


@pytest.mark.parametrize("env", [ONE, TWO], ids=["one", "two"])
def test_payments_where_types_are_independent(env):
    compared = 0
    for subject_to in PAYMENTS[1:]:
        for form in ("utility", "payment"):
            compared += compare(env, mo.PPIC(), (mo.PFIR(), mo.PPIR()), form, subject_to)
            compared += compare(env, mo.DIC(), mo.EPIR(), form, subject_to)
    assert compared >= 8


@pytest.mark.parametrize("block", range(6))
def test_persistent_types(block):
    for seed, (ic, ir) in list(enumerate(COMBINATIONS))[block::6]:
        assert compare(tiny(seed), ic, ir, "auto")


def correlated_by_period(controlled):
    """Two agents with 2 and 1, then 1 and 3, then 2 and 2 types; some moves never happen."""
    shapes, rng = [(2, 1), (1, 3), (2, 2)], np.random.default_rng(3)
    values = [[rng.integers(-2, 7, (2, *shape)).tolist() for shape in shapes] for _ in range(2)]
    leading = [(2,), ()] if controlled else [(), ()]
    kernel = [
        _distributions(rng, (*first, *before), int(np.prod(after)), True).reshape(*first, *before, *after).tolist()
        for first, before, after in zip(leading, shapes, shapes[1:], strict=False)
    ]
    initial = _distributions(rng, (), 2, False).reshape(2, 1).tolist()
    return mo.InterdependentTypes(values, kernel, initial, cost=[0, 1], horizon=3, discount="9/10")


def markov_by_period():
    """The same where types persist independently, and agent 0's move with one of three actions of the second period."""
    values = [
        [[[0, 1], [2, 0]], [[1], [3], [2]], [[0, 2], [5, 1]]],
        [[[1], [0]], [[0, 3, 1], [2, 0, 1], [1, 1, 0]], [[1, 4], [0, 0]]],
    ]
    kernel = [
        [[[[1], [1]], [[1], [1]]], [[["1/3", "2/3"]], [["1/2", "1/2"]], [["1/4", "3/4"]]]],
        [[["1/4", 0, "3/4"]], [["1/2", "1/2"], [1, 0], [0, 1]]],
    ]
    cost = [[0, 1], [0, 1, "1/2"], [1, 0]]
    return mo.MarkovTypes(values, kernel, [["1/5", "4/5"], [1]], cost=cost, horizon=3, discount="2/3")


ENVIRONMENTS = {
    "battaglini": battaglini(3),
    "three-types": three_types(),
    "correlated": random_interdependent(1, (2, 2)),
    "correlated-by-period": correlated_by_period(False),
    "correlated-controlled-by-period": correlated_by_period(True),
    "markov-by-period": markov_by_period(),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_constraints_on_persistent_types(name):
    env = ENVIRONMENTS[name]
    for ic, ir in COMBINATIONS[:: len(COMBINATIONS) // 12]:
        assert compare(env, ic, ir, "auto")


def test_payments_where_types_are_persistent():
    compared = 0
    for seed, subject_to in enumerate(PAYMENTS[1:]):
        for env in (battaglini(2), tiny(seed)):
            compared += compare(env, mo.BayesianIC(), mo.EPIR(), "auto", subject_to)
        for env in (markov_by_period(), correlated_by_period(False)):
            compared += compare(env, mo.BayesianIC(), mo.Interim(), "auto", subject_to)
    assert compared >= 24


GUARANTEES = {  # incentives, participation, objective, constraints on payments
    "ratio": (mo.DIC(), mo.EPIR(), "ratio", None),
    "constant-continuation": ((mo.DIC(), mo.INDU()), mo.EPIR(), "ratio", None),
    "every-prefix": (mo.DIC(), mo.PFIR(), "weighted", None),
    "regret": (mo.DIC(), mo.EPIR(), "regret", None),
    "payments-of-one-period": (mo.PPIC(), mo.PPIR(), "regret", mo.NoSubsidy()),
    "budgets": (mo.DIC(), (mo.PFIR(), mo.PeriodicIR()), "ratio", mo.Budget("9/2")),
}


@pytest.mark.parametrize("name", GUARANTEES)
def test_guarantees(name):
    """Scenarios that branch, end within others and have periods without anything to sell."""
    ic, ir, objective, subject_to = GUARANTEES[name]
    coin = {"name": "F", "values": [1, 4], "probabilities": ["1/3", "2/3"]}
    other = {"name": "G", "values": [0, 1, 5], "probabilities": ["1/2", "1/3", "1/6"]}
    worthless = {"name": "Z", "values": [0, 7], "probabilities": [1, 0]}
    sequences = [["Z"], ["F"], ["F", "G"], ["F", "G", "F"], ["F", "F"], ["G", "F"]]
    for tree in (mo.Scenarios([coin, other, worthless], sequences, discount="9/10"), scenarios(3, "1/2")):
        terms = scenario_terms(ic, ir, subject_to or (), objective, "same", tree.agents)
        optima = (
            [Fraction(k, 2) for k in range(len(tree))]
            if objective == "regret"
            else [Fraction(2 + k) for k in range(len(tree))]
        )
        program, twin = exact_guarantee_program(tree, optima, terms)
        model = GuaranteeModel(tree, optima, GuaranteeTerms(terms.ic, terms.ir, terms.subject_to, terms.objective))
        assert_same(program, twin, model)


ORBITS = [
    mo.IndependentTypes([[[1, 2, 5]]] * 3, [[["1/2", "1/3", "1/6"]]] * 3, cost=["1/2"]),
    mo.IndependentTypes([[[1, 2], [3, 4, 7]]] * 2, [[["1/4", "3/4"], ["1/2", 0, "1/2"]]] * 2, ["1/2", 1], "2/3"),
    mo.IndependentTypes([[[2], [1, 3]]] * 4, [[[1], ["1/5", "4/5"]]] * 4, discount="1/3"),
    mo.IndependentTypes([[[1, 2], [1, 3]]] * 3, [[["1/5", "4/5"]] * 2] * 3),
]


@pytest.mark.parametrize("env", ORBITS, ids=["one-period", "two-buyers", "one-type", "three-buyers"])
def test_identical_buyers(env):
    compared = 0
    for ir in PARTICIPATIONS:
        chosen = plan(env, mo.DIC(), ir, MIXED)
        if why_not_orbits(chosen) is None:
            program, layout = compile_orbits(chosen)
            weights = tuple(to_exact(weight) for weight in (MIXED.revenue, MIXED.welfare, MIXED.utility))
            model = OrbitModel(env, chosen.ic, chosen.ir, weights)
            assert_same(program, exact_orbit_program(layout, program), model)
            assert [row.period for row in model.rows()] == periods(program)
            rows = [(row.name, row.period) for row in model.rows()]
            assert [row.number for row in model.rows()] == [rows[:k].count(row) for k, row in enumerate(rows)]
            compared += 1
    assert compared >= 5


def periods(program):
    """Of each row."""
    ends = [first for first, _ in program.families[1:]] + [program.size[0]]
    counts = [(family.period, end - first) for (first, family), end in zip(program.families, ends, strict=True)]
    return [period for period, count in counts for _ in range(count)]
