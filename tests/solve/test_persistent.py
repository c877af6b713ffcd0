"""Programs over public histories where types persist: known answers, orders of constraints, sizes, verified optima."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from mechopt.lp.persistent.compile import compile_persistent
from mechopt.lp.persistent.plan import persistent_plan
from tests.persistent_instances import battaglini, one_item, random_correlated, random_markov, three_types
from tests.reporting_strategies import controlled

ICS = [
    mo.BayesianIC(),
    mo.BayesianIC("actions"),
    mo.BayesianIC("own"),
    mo.PeriodicExPostIC(),
    mo.PeriodicExPostIC(rereport=True),
    mo.AdjacentIC(),
    mo.DownwardIC(),
]
IRS = [mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR(), mo.EPIR(), mo.PFIR(), mo.PPIR()]


def named(constraints):
    return [pytest.param(constraint, id=constraint.name) for constraint in constraints]


@pytest.mark.parametrize(
    ("periods", "interim", "epir"),
    # Closed form with interim IR: on the all-low history the virtual value is 1 - (0.6/0.4) (2/3)^t, below 0 at t = 0
    # and 0 at t = 1; everywhere else the value. Ex post IR: exact certificates of the same programs.
    [(1, 1.2, 1.2), (2, 2.45, 2.3), (3, 153 / 40, 277 / 80), (4, 5.2625, 4.653472222)],
    ids=["one-period", "two-periods", "three-periods", "four-periods"],
)
@pytest.mark.parametrize("ic", named(ICS))
def test_two_types_of_battaglini(periods, interim, epir, ic):
    env = battaglini(periods)
    assert mo.optimum(env, ic, mo.Interim()).value == pytest.approx(interim, abs=1e-8)
    assert mo.optimum(env, ic, mo.EPIR()).value == pytest.approx(epir, abs=1e-8)


@pytest.mark.parametrize(
    ("ic", "ir", "value"),
    [
        pytest.param(mo.BayesianIC(), mo.Interim(), 157 / 40, id="all-misreports"),
        pytest.param(mo.AdjacentIC(), mo.Interim(), 4.0, id="adjacent"),
        pytest.param(mo.DownwardIC(), mo.Interim(), 4.0375, id="downward"),
        pytest.param(mo.BayesianIC(), mo.EPIR(), 37 / 10, id="ex-post-rationality"),
    ],
)
def test_local_constraints_are_not_enough(ic, ir, value):
    best = mo.optimum(three_types(), ic, ir)
    assert best.value == pytest.approx(value, abs=1e-9)
    assert mo.verify(best.mechanism, [mo.BayesianIC()]).holds == (ic == mo.BayesianIC())


@pytest.mark.parametrize("ic", named(ICS))
@pytest.mark.parametrize("ir", named(IRS))
@pytest.mark.parametrize("seed", range(4))
def test_optima_keep_their_constraints_and_sizes_are_predicted(seed, ic, ir):
    env = random_markov(seed, periods=2, most=2, sparse=seed % 2 == 1)
    best = mo.optimum(env, ic, ir)
    assert best.status is mo.results.Status.OPTIMAL
    program, _ = compile_persistent(persistent_plan(env, ic, ir))
    assert program.size == (best.size.rows, best.size.columns, best.size.nonzeros)
    report = mo.verify(best.mechanism)
    assert report.holds, report
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-7)
    assert best.value <= mo.efficient(env).expected_welfare + 1e-7


@pytest.mark.parametrize("seed", range(6))
def test_the_less_is_asked_the_more_there_is(seed):
    env = random_markov(seed, agents=2, periods=2, most=2, controlled=True)
    values = {ic: mo.optimum(env, ic).value for ic in ICS}
    order = [
        (mo.PeriodicExPostIC(rereport=True), mo.PeriodicExPostIC()),
        (mo.PeriodicExPostIC(), mo.BayesianIC()),
        (mo.BayesianIC(), mo.BayesianIC("actions")),
        (mo.BayesianIC("actions"), mo.BayesianIC("own")),
        (mo.BayesianIC(), mo.AdjacentIC()),
        (mo.AdjacentIC(), mo.DownwardIC()),
    ]
    for stronger, weaker in order:
        assert values[stronger] <= values[weaker] + 1e-7, (stronger, weaker)
    assert values[mo.BayesianIC("own")] <= mo.relaxed_optimum(env).value + 1e-7
    rational = [mo.optimum(env, mo.BayesianIC(), ir).value for ir in (mo.PPIR(), mo.PFIR(), mo.EPIR(), mo.Interim())]
    assert all(a <= b + 1e-7 for a, b in pairwise(rational))


@pytest.mark.parametrize("rho", [0.25, 0.5, 1.0], ids=str)
def test_correlated_signals_separate_the_relaxed_optimum(rho):
    # Kakade et al., section 6: v = s_1 in {1, 2}; P(high | s_0) = 1/2 -+ rho/2: relaxed 3/2, optimum 3/2 - rho/2.
    low, high = 0.5 - rho / 2, 0.5 + rho / 2
    env = mo.MarkovTypes(
        values=[[[[0, 0]], [[0, 0], [1, 2]]]],
        kernel=[[[[1 - low, low], [1 - high, high]]]],
        initial=[["1/2", "1/2"]],
        actions=[["contract"], ["keep", "sell"]],
        horizon=2,
    )
    assert mo.relaxed_optimum(env).value == pytest.approx(1.5, abs=1e-8)
    assert mo.optimum(env).value == pytest.approx(1.5 - rho / 2, abs=1e-8)


def test_types_that_do_not_move_are_sold_to_once():
    # Perfectly persistent types: the optimum is the horizon times the static one (Baron and Besanko): two periods of
    # max(1, 2 * 0.6) = 1.2.
    env = mo.MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["2/5", "3/5"]], horizon=2)
    assert mo.optimum(env).value == pytest.approx(2.4)


def test_full_surplus_extraction_where_types_are_redrawn():
    # Types of period 1 are independent of those of period 0, so only the first type earns rents: 1.2 + E v_1 = 2.8.
    env = mo.MarkovTypes([[[0, 0], [1, 2]]], [[["2/5", "3/5"]] * 2], [["2/5", "3/5"]], horizon=2)
    assert mo.optimum(env).value == pytest.approx(2.8)
    assert mo.optimum(env, ir=mo.EPIR()).value == pytest.approx(
        mo.optimum(mo.IndependentTypes.iid([1, 2], ["2/5", "3/5"], horizon=2)).value
    )


@pytest.mark.parametrize("seed", range(5))
def test_types_drawn_afresh_agree_with_their_own_program(seed):
    rng = np.random.default_rng(seed)
    distribution = [["1/4", "3/4"], ["1/2", "1/2"]]
    worth = [np.sort(rng.choice(np.arange(1, 10), 2, replace=False)) for _ in range(2)]
    values = [[[0, 0]] * (i + 1) + [list(w)] + [[0, 0]] * (1 - i) for i, w in enumerate(worth)]
    moving = mo.MarkovTypes(values, [[distribution[i]] * 2 for i in range(2)], distribution, horizon=2)
    fresh = mo.IndependentTypes([[list(w)] * 2 for w in worth], [[distribution[i]] * 2 for i in range(2)])
    for ours, theirs in ((mo.BayesianIC(), mo.DIC()), (mo.PeriodicExPostIC(), mo.ExPostIC())):
        assert mo.optimum(moving, ours, mo.EPIR()).value == pytest.approx(mo.optimum(fresh, theirs).value, abs=1e-7)


def test_two_agents_one_item():
    env = one_item(1)
    best = mo.optimum(env)
    assert mo.verify(best.mechanism).holds
    assert mo.optimum(env, mo.PeriodicExPostIC()).value <= best.value + 1e-8 <= mo.relaxed_optimum(env).value + 2e-8


def test_an_infinite_horizon_has_no_program():
    env = mo.families.scheduling([5, 3, 1], "1/2")
    for call in (lambda: mo.Problem(env).size, lambda: mo.Problem(env).program()):
        with pytest.raises(mo.InputError, match="give a number of periods"):
            call()
    best = mo.optimum(env)  # the first best, 27/4: values are known
    assert best.bound.lower - 1e-9 <= 27 / 4 <= best.bound.upper + 1e-9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda env: mo.optimum(env, mo.DIC()), "not defined for persistent types", id="fresh-constraint"),
        pytest.param(lambda env: mo.optimum(env, method="promised"), "not for persistent types", id="method"),
        pytest.param(lambda env: mo.optimum(env, form="utility"), "there is one", id="form"),
        pytest.param(lambda env: mo.BayesianIC("nothing"), "write one of", id="sees"),
        pytest.param(lambda env: mo.optimum(env, method="simplex", max_bytes=10), "rows", id="memory"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(mo.errors.MechoptError, match=words):
        call(battaglini(2))


def test_fresh_types_refuse_constraints_of_persistent_ones():
    with pytest.raises(mo.InputError, match="independent across periods"):
        mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2), mo.BayesianIC())


def test_rows_and_columns_say_what_they_are():
    program, _ = compile_persistent(persistent_plan(three_types(), mo.BayesianIC(), mo.EPIR()))
    rows = [program.describe_row(r) for r in range(program.size[0])]
    columns = [program.describe_column(c) for c in range(program.size[1])]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert "bayesian, agent 0, period 1, after 0, true type 1, report 2" in rows


@pytest.mark.parametrize(
    ("env", "ir", "value"),
    [
        pytest.param(battaglini(3), mo.Interim(), "153/40", id="two-types-interim"),
        pytest.param(battaglini(3), mo.EPIR(), "277/80", id="two-types-epir"),
        pytest.param(three_types(), mo.Interim(), "157/40", id="three-types-interim"),
        pytest.param(three_types(), mo.EPIR(), "37/10", id="three-types-epir"),
    ],
)
def test_exact_optima(env, ir, value):
    assert str(mo.optimum(env, ir=ir, exact=True).exact) == value


@pytest.mark.parametrize("ic", named(ICS))
@pytest.mark.parametrize("seed", range(3))
def test_exact_programs_are_the_float_ones(seed, ic):
    env = random_markov(seed + 20, periods=2, most=2, sparse=True)
    best = mo.optimum(env, ic, mo.PFIR(), exact=True)
    assert float(best.exact) == pytest.approx(mo.optimum(env, ic, mo.PFIR()).value, abs=1e-8)
    assert best.mechanism.revenue == pytest.approx(float(best.exact), abs=1e-7)


@pytest.mark.parametrize("ic", named(ICS))
@pytest.mark.parametrize("seed", range(8))
def test_impossible_types_earn_nothing(seed, ic):
    # Values of states of probability zero are bounded by nothing: they must not count (a bound above the relaxed one
    # and a strategy that gains were the signs).
    env = random_markov(seed, agents=1 + seed % 2, periods=3, actions=2, most=2, sparse=True, controlled=True)
    best = mo.optimum(env, ic)
    assert mo.verify(best.mechanism, ic).holds
    if ic not in (mo.AdjacentIC(), mo.DownwardIC()):
        assert best.value <= mo.relaxed_optimum(env).value + 1e-7


@pytest.mark.parametrize("ic", named(ICS))
@pytest.mark.parametrize("ir", named([mo.Interim(), mo.EPIR(), mo.PeriodicIR(), mo.PeriodicExPostIR()]))
@pytest.mark.parametrize("seed", range(6))
def test_correlated_signals(seed, ic, ir):
    env = random_correlated(seed, sizes=(2, 2) if seed % 2 else (2, 3), sparse=seed > 2)
    best = mo.optimum(env, ic, ir)
    assert best.status is mo.results.Status.OPTIMAL
    program, _ = compile_persistent(persistent_plan(env, ic, ir))
    assert program.size == (best.size.rows, best.size.columns, best.size.nonzeros)
    assert mo.verify(best.mechanism).holds


def test_what_agents_see_matters():
    # The less is seen of the past, the more incentive constraints hold in expectation only.
    env = controlled(1)
    seen = {
        ir: [mo.optimum(env, mo.BayesianIC(sees), ir).value for sees in ("all", "actions", "own")]
        for ir in (mo.Interim(), mo.EPIR())
    }
    assert seen[mo.EPIR()][0] < seen[mo.EPIR()][1] - 1e-4 < seen[mo.EPIR()][2] - 1e-2
    assert seen[mo.Interim()][1] < seen[mo.Interim()][2] - 1e-2


def test_long_horizons_go_by_dual_dynamic_programming():
    best = mo.optimum(battaglini(30))
    assert (best.method, best.status) == ("dual", "optimal")
    # Interim IR in closed form: values everywhere but at all-low histories, where the virtual value 1 - 1.5 (2/3)^t
    # counts if it is positive. P(low for ever) to t is 0.4 (3/4)^t; elsewhere expected values of the free chain.
    value, high, low = 0.0, 0.6, 0.4
    for t in range(30):
        value += 2 * high + (1 - high - low) + low * max(0.0, 1 - 1.5 * (2 / 3) ** t)
        high, low = 0.5 + (high - 0.5) / 2, low * 0.75
    assert best.bound.lower - 1e-9 <= value <= best.bound.upper + 1e-9


@pytest.mark.parametrize("ir", named([mo.Interim(), mo.EPIR()]))
def test_dual_method_agrees_with_the_program(ir):
    env = three_types(3)
    best, program = mo.optimum(env, ir=ir, method="dual"), mo.optimum(env, ir=ir)
    assert best.bound.lower - 1e-9 <= program.value <= best.bound.upper + 1e-9
    assert mo.verify(best.mechanism).holds
    with pytest.raises(mo.InputError, match='method "dual" is for'):
        mo.optimum(env, mo.BayesianIC("own"), ir, method="dual")


def test_constraints_of_ones_own():
    env = battaglini(3)
    model = mo.formats.to_cvxpy(mo.formats.plan(env))
    assert model.solve(solver="HIGHS").revenue == pytest.approx(153 / 40, abs=1e-6)
    capped = model.solve([payment <= 1.5 for payment in model.payment], solver="HIGHS")
    assert max(float(part.max()) for part in capped.payment) <= 1.5 + 1e-7
    assert mo.verify(capped).holds
    assert capped.revenue <= 153 / 40 + 1e-7


@pytest.mark.parametrize("local", named([mo.AdjacentIC(), mo.DownwardIC()]))
def test_local_constraints_do_not_stand_beside_what_is_hidden_altogether(local):
    with pytest.raises(mo.InputError, match="which reports an agent who misreports may make"):
        mo.optimum(battaglini(2), (local, mo.BayesianIC("own")))
