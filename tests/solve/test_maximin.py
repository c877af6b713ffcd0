"""The best non-clairvoyant guarantee: hand-made cases, the program by definition, properties."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.bank.gap import gap_family
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.lp.scenarios.program import compile_scenarios
from mechopt.modelfile import read
from mechopt.solve.highs import solve_program
from mechopt.solve.maximin import maximin
from tests.instances import distributions
from tests.solve.raw_maximin import Reference, tables

COIN = {"name": "coin", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
SURE = {"name": "sure", "values": [3], "probabilities": [1]}
NOTHING = {"name": "nothing", "values": [0], "probabilities": [1]}
TREES = {
    "one period": [["a"]],
    "one or two": [["a"], ["a", "b"]],
    "fork": [["a", "b"], ["a", "c"]],
    "fork and stop": [["a"], ["a", "b"], ["a", "c"]],
    "one, two or three": [["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"]],
    "two roots": [["a"], ["b", "a"], ["b", "a", "a"]],
}


def equal_revenue(types, scale):
    """Each of the values scale, 2 scale, ... earns the same as a price."""
    tail = [Fraction(1, 2**k) for k in range(types)]
    distribution = [a - b for a, b in zip(tail, [*tail[1:], Fraction(0)], strict=True)]
    return [scale * 2**k for k in range(types)], distribution


@st.composite
def any_distributions(draw, max_types=3):
    """Types of probability 0 and values of 0 too; guarantees of nearly 1."""
    return [draw(distributions(max_types)) for _ in "abc"]


@st.composite
def costly_distributions(draw, max_types=5):
    """A first period whose best price excludes a type, and later ones that can take its utility out."""
    high = draw(st.integers(2, 7))
    chance = Fraction(draw(st.integers(1, 7)), 8)
    chance = max(chance, Fraction(1, high))
    scales = st.integers(1, 8).map(lambda quarters: Fraction(quarters, 4))
    later = [equal_revenue(draw(st.integers(2, max_types)), draw(scales)) for _ in "bc"]
    return [([1, high], [1 - chance, chance]), *later]


@st.composite
def scenario_trees(draw, drawn=None, trees=tuple(TREES)):
    distributions = draw(st.one_of(any_distributions(), costly_distributions()) if drawn is None else drawn)
    given = [{"name": n, "values": v, "probabilities": p} for n, (v, p) in zip("abc", distributions, strict=True)]
    return Scenarios(given, TREES[draw(st.sampled_from(trees))], draw(st.sampled_from(["1", "9/10"])))


def assert_kept(mechanism, constraints):
    """Satisfied; where nothing is worth anything the tolerance is 0, and fractions decide what floats leave open."""
    report = mo.verify(mechanism, constraints)
    worthless = not any(values.any() for row in mechanism.environment.values for values in row)
    if worthless and not report.violated:
        report = mo.verify(mechanism, constraints, exact=True)
    assert report.holds, report


def assert_kept_and_shared(best):
    """Each scenario's mechanism is verified, and the same as another's as long as they are at one node."""
    paths = best.scenarios.paths
    for s, path in enumerate(paths):
        one = best.mechanism(s)
        assert one.environment == best.scenarios.environment(s)
        assert_kept(one, [mo.DIC(), mo.EPIR()])
        for u, other in enumerate(paths[:s]):
            together = sum(a == b for a, b in zip(path, other, strict=False)) - 1
            for t in range(together):
                assert np.array_equal(one.allocation[t], best.mechanism(u).allocation[t])
                assert np.array_equal(one.payment[t], best.mechanism(u).payment[t])


# A first period of its own is a mixture of posted prices, 4 with probability q and 1 else. Alone it earns 1 + q of the
# optimum 2. In the second scenario no more than the value of what is sold first, 5/2 - q/2, and the revenue R of every
# price in the second period can be earned; the K values of F2 suffice for it. So the ratios are (1 + q) / 2 and
# (5/2 + R - q/2) / (5/2 + R), equal at q = (5/2 + R) / (7/2 + R), and R is 2, 1, 1/2.
@pytest.mark.parametrize(
    ("points", "optimum", "ratio"),
    [
        pytest.param(5, Fraction(9, 2), Fraction(10, 11), id="equal-revenue-5"),
        pytest.param(8, Fraction(7, 2), Fraction(8, 9), id="equal-revenue-8"),
        pytest.param(14, Fraction(3), Fraction(7, 8), id="equal-revenue-14"),
    ],
)
@pytest.mark.filterwarnings("ignore:values or probabilities differ")
def test_one_period_or_two(points, optimum, ratio):
    file = read(f"mirrokni-2020/maximin-equal-revenue-{points}")
    best = maximin(file.of_kind(Scenarios)).require_optimal()
    assert best.ratio == pytest.approx(float(ratio), rel=1e-9)
    assert best.optima == pytest.approx((2, float(optimum)), rel=1e-9)
    assert best.ratios == pytest.approx((float(ratio),) * 2, rel=1e-9)
    assert best.revenues == pytest.approx((2 * float(ratio), float(optimum * ratio)), rel=1e-9)
    assert best.bound.lower - 1e-12 <= float(ratio) <= best.bound.upper + 1e-12
    assert best.bound.gap < 1e-9
    assert Fraction(file.expected["ratio"]) == ratio
    assert Fraction(file.expected["scenarios.1.optimum"]) == optimum
    q = (Fraction(5, 2) + optimum - Fraction(5, 2)) / (1 + optimum)
    assert best.mechanism("F1").allocation[0][0, 0] == pytest.approx([float(1 - q), 1.0])
    assert_kept_and_shared(best)


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(any_distributions(), id="any"),
        pytest.param(costly_distributions(), id="costly"),
    ],
)
def test_equals_the_program_by_definition(drawn):
    @settings(max_examples=40, deadline=None)
    @given(scenario_trees(drawn))
    def check(scenarios):
        assert maximin(scenarios).ratio == pytest.approx(Reference(scenarios).guarantee(), abs=1e-8)

    check()


@settings(max_examples=40, deadline=None)
@given(scenario_trees())
def test_the_mechanism_is_what_it_claims(scenarios):
    best = maximin(scenarios).require_optimal()
    assert 1 / 3 - 1e-9 <= best.ratio <= 1  # the non-clairvoyant balance mechanism guarantees a third
    assert best.ratio == pytest.approx(min(1, *best.ratios), abs=1e-12)
    assert best.bound.lower - 1e-9 <= best.ratio <= best.bound.upper + 1e-9
    assert best.bound.upper - best.bound.lower < 1e-8
    for s, environment in enumerate(scenarios.environments):
        assert best.revenues[s] == best.mechanism(s).revenue
        assert best.optima[s] == pytest.approx(mo.optimum(environment, form="payment").value, abs=1e-8)
    assert_kept_and_shared(best)


@settings(max_examples=30, deadline=None)
@given(scenario_trees())
def test_timing_of_payments_keeps_every_period_incentive_compatible(scenarios):
    best = maximin(scenarios)
    for s in range(len(scenarios)):
        assert_kept(best.mechanism(s), [mo.PPIC(), mo.PFIR()])


@settings(max_examples=30, deadline=None)
@given(scenario_trees(trees=("fork and stop", "one, two or three", "two roots")))
def test_one_scenario_costs_nothing_and_more_never_help(scenarios):
    tables = [
        {"name": name, "values": d.exact[0], "probabilities": d.exact[1]} for name, d in scenarios.distributions.items()
    ]
    ratios = []
    for count in range(1, len(scenarios) + 1):
        ratios.append(maximin(Scenarios(tables, scenarios.sequences[:count], scenarios.discount)).ratio)
    assert ratios[0] == pytest.approx(1)
    assert all(after <= before + 1e-9 for before, after in pairwise(ratios))


@settings(max_examples=30, deadline=None)
@given(scenario_trees(), st.integers(1, 1000), st.permutations(range(4)))
def test_currency_and_order_do_not_matter(scenarios, rate, order):
    kept = [scenarios.sequences[s] for s in order if s < len(scenarios)]
    same = maximin(Scenarios(tables(scenarios, rate), kept, scenarios.discount))
    assert same.ratio == pytest.approx(maximin(scenarios).ratio, abs=1e-9)


def test_scenarios_without_a_common_beginning_cost_nothing():
    best = maximin(Scenarios([COIN, SURE], [["coin"], ["sure", "coin"]]))
    assert best.ratio == pytest.approx(1)


def test_scenario_with_nothing_to_earn_sets_no_limit():
    scenarios = Scenarios([COIN, NOTHING], [["nothing"], ["nothing", "coin"], ["nothing", "nothing"]])
    best = maximin(scenarios)
    assert best.optima == pytest.approx((0, 2, 0))
    assert best.ratio == pytest.approx(1)
    assert best.ratios == pytest.approx((1, 1, 1))
    assert best.status == "optimal"
    alone = maximin(Scenarios([NOTHING], [["nothing"]]))
    assert (alone.ratio, alone.ratios, alone.revenues, alone.status) == (1, (1,), (0,), "optimal")


def test_least_likely_paths_count():
    # nine periods, paths of probability down to 1e-27: products of probabilities would vanish in a solver's tolerance
    rng = np.random.default_rng(3)
    names = list("abcdefghi")
    values = [sorted(rng.choice(np.arange(1, 60), 2, replace=False).tolist()) for _ in names]
    rare = [
        {"name": n, "values": v, "probabilities": ["999/1000", "1/1000"]} for n, v in zip(names, values, strict=True)
    ]
    best = maximin(Scenarios(rare, [names[:5], names[:7], names]))
    assert best.status == "optimal"
    assert best.bound.gap < 1e-9
    assert_kept_and_shared(best)


def test_mechanism_of_a_scenario_by_number_or_name():
    best = maximin(Scenarios([COIN, SURE], [["coin"], ["coin", "sure"]]))
    assert best.mechanism(1) is best.mechanism("coin, sure")
    assert best.mechanism(1).claims == (mo.DIC(), mo.EPIR())
    with pytest.raises(mo.InputError, match="'coins' is not a scenario; did you mean 'coin'"):
        best.mechanism("coins")


def test_limits():
    scenarios = gap_family(1, 40, second_points=6)
    with pytest.raises(mo.errors.LimitError, match="Use fewer periods, types or scenarios") as caught:
        maximin(scenarios, max_bytes=1e5)
    assert (caught.value.lower, caught.value.upper) == (0, 1)
    stopped = maximin(scenarios, time_limit=0.0)
    assert stopped.status == "time limit"
    assert stopped.bound.lower <= maximin(scenarios).ratio <= stopped.bound.upper
    with pytest.raises(
        mo.errors.LimitError, match="stopped \\(time limit\\) with 0 <= guarantee <= 1; raise the time limit"
    ):
        stopped.require_optimal()


def test_optimum_that_a_limit_stopped_counts_by_its_upper_bound(monkeypatch):
    scenarios = read("mirrokni-2020/maximin-equal-revenue-5").of_kind(Scenarios)

    def stopped(environment, **options):
        best = mo.optimum(environment, **options)
        if environment.horizon == 1:
            return best
        bound = mo.results.Bound(0.8 * best.value, 1.2 * best.value, "none")
        return replace(best, value=0.8 * best.value, bound=bound, status=mo.results.Status.TIME_LIMIT)

    monkeypatch.setattr("mechopt.solve.maximin.optimum", stopped)
    best = maximin(scenarios)
    assert best.optima == pytest.approx((2, 1.2 * 4.5))
    assert best.status == "time limit"
    # the ratios are (1 + q) / 2 and (9/2 - q/2) / (27/5), equal at q = 9/16, 25/32; the bracket is for any optimum
    # from 18/5, under which the ratio could be 1, to 27/5
    assert best.ratio == pytest.approx(25 / 32)
    assert (best.bound.lower, best.bound.upper) == pytest.approx((25 / 32, 1))


def test_optimum_that_the_solver_cannot_tell_from_nothing(monkeypatch):
    def nothing(environment, **options):
        best = mo.optimum(environment, **options)
        return replace(best, value=0.0, bound=mo.results.Bound(0.0, 0.0, "none"))

    monkeypatch.setattr("mechopt.solve.maximin.optimum", nothing)
    best = maximin(Scenarios([COIN, NOTHING], [["coin"], ["nothing"]]))
    assert best.optima == (2.5, 0)  # first best
    assert best.ratio == pytest.approx(2 / 2.5)


@settings(max_examples=60, deadline=None)
@given(scenario_trees())
def test_sizes_are_predicted_exactly(scenarios):
    for misreports in ("adjacent", "all"):
        plan = ScenarioPlan(scenarios, misreports)
        program, _ = compile_scenarios(plan, [1.0] * len(scenarios))
        assert (plan.size.rows, plan.size.columns, plan.size.nonzeros) == program.size
        assert np.all(program.value != 0)
        assert plan.size.histories == sum(sum(tree.count[1:]) for tree in plan.trees)


@settings(max_examples=30, deadline=None)
@given(scenario_trees())
def test_adjacent_misreports_suffice(scenarios):
    optima = [env.first_best or 1.0 for env in scenarios.environments]  # any positive numbers will do
    adjacent, every = (
        solve_program(compile_scenarios(ScenarioPlan(scenarios, misreports), optima)[0]).value
        for misreports in ("adjacent", "all")
    )
    assert adjacent == pytest.approx(every, abs=1e-8)


def test_rows_and_columns_say_what_they_are():
    scenarios = Scenarios([COIN, SURE], [["coin"], ["coin", "sure"], ["coin", "coin"]])
    program, _ = compile_scenarios(ScenarioPlan(scenarios), [2.0, 5.0, 4.5])
    rows = [program.describe_row(r) for r in range(program.size[0])]
    columns = [program.describe_column(c) for c in range(program.size[1])]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    wanted = "dic, buyer 0, period 0, at the start, true type 4, report 1"
    for name in scenarios.names:
        row = program.matrix[[rows.index(f"scenario {name!r}, {wanted}")]]
        named = {columns[c]: v for c, v in zip(row.indices, row.data, strict=True)}
        # (S(1) - S(0)) / (4 - 1) - x(0) >= 0 with each scenario's own S, money in units of 4
        assert named == {
            f"lifetime utility of buyer 0 after 4, scenario {name!r}": pytest.approx(4 / 3),
            f"lifetime utility of buyer 0 after 1, scenario {name!r}": pytest.approx(-4 / 3),
            "allocation of buyer 0 at the start, reports 1, after coin": -1.0,
        }
    assert "scenario 'coin, coin', dic, buyer 0, period 1, after 4, true type 1, report 4" in rows
    assert "welfare to come of buyer 0 after 4, scenario 'coin, sure'" in columns
    assert columns[0] == "guarantee"
    names = [block.name for block in program.column_blocks]
    assert names[0] == "guarantee"
    assert "allocation 1, after coin, sure" in names
