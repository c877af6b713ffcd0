"""Deterministic optima: against every allocation without lotteries, known values, brackets, limits, bad input."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.solve.mip import search as searching
from tests.solve.payments import raw_independent, raw_persistent
from tests.waiting import HANG_SECONDS

Status = mo.results.Status


def random_sale(seed):
    """At most 6 nodes: every way to sell can be listed."""
    rng = np.random.default_rng(seed)
    buyers, sizes = [(1, [2, 2]), (1, [3]), (2, [2]), (1, [1, 3]), (1, [2, 2])][seed % 5]
    values = [[sorted(rng.choice(7, k, replace=False).tolist()) for k in sizes] for _ in range(buyers)]
    distributions = []
    for _ in range(buyers):
        weights = [rng.integers(0, 4, k) + (np.arange(k) == 0) for k in sizes]
        distributions.append([[f"{w}/{row.sum()}" for w in row] for row in weights])
    return mo.IndependentTypes(values, distributions, cost=[f"{c}/2" for c in rng.integers(0, 4, len(sizes))])


ASKED = [("dic", "epir"), ("ex-post", "per-period"), ("ppic+indu", "prefix"), ("dic", "interim"), ("none", "periodic")]
NAMES = ["none", "no-money", "no-subsidy+payment-cap:1", "budget:3/2", "weak-budget-balance"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_one_item_a_period_against_every_way_to_sell(seed, name):
    env = random_sale(seed + 5 * NAMES.index(name))
    ic, ir = ASKED[(seed + NAMES.index(name)) % len(ASKED)]
    raw = [[] if part == "none" else part.split("+") for part in (ic, ir, name)]
    expected = raw_independent.raw_value(env, *raw, deterministic=True)
    best = mo.optimum(env, ic, ir, subject_to=name, deterministic=True)
    if expected is None:
        assert best.status is Status.INFEASIBLE and best.mechanism is None and best.conflict
        return
    assert best.status is Status.OPTIMAL and best.method == "mip"
    assert best.value == pytest.approx(expected, abs=1e-8)
    assert best.bound.lower - 1e-9 <= expected <= best.bound.upper + 1e-9
    assert best.bound.upper - best.bound.lower < 1e-5
    report = mo.verify(best.mechanism)
    assert report.holds and report["deterministic"].holds
    assert mo.verify(best.mechanism, "deterministic", exact=True).holds
    assert best.value <= mo.optimum(env, ic, ir, subject_to=name).bound.upper + 1e-8


@pytest.mark.parametrize("name", ["none", "no-subsidy", "budget:1"])
@pytest.mark.parametrize("steered", [False, True], ids=["free", "steered"])
@pytest.mark.parametrize("seed", range(2))
def test_persistent_types_against_every_policy(seed, steered, name):
    rng = np.random.default_rng(seed)
    distribution = [[["1/4", "3/4"], ["2/3", "1/3"]], [["1/2", "1/2"], ["1/5", "4/5"]]]
    env = mo.MarkovTypes(
        [np.sort(rng.integers(-1, 6, (2, 2)), axis=1)],
        [distribution if steered else distribution[0]],
        [["1/3", "2/3"]],
        cost=[0, int(rng.integers(0, 3))],
        horizon=2,
        discount=["1", "4/5"][seed],
    )
    ir = ["interim", "periodic"][seed]
    names = [] if name == "none" else [name]
    expected = raw_persistent.raw_value(env, ir, names, steered, deterministic=True)
    best = mo.optimum(env, "periodic-ex-post", ir, subject_to=name, deterministic=True)
    assert best.status is Status.OPTIMAL
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds
    assert set(np.unique(np.concatenate([part.ravel() for part in best.mechanism.allocation]))) <= {0.0, 1.0}


@pytest.mark.parametrize("names", [("no-subsidy", "budget:1"), ("payment-cap:2", "prefix-budget:1")], ids="+".join)
@pytest.mark.parametrize("seed", range(4))
def test_limits_of_single_payments_go_with_budgets_where_nothing_is_drawn(seed, names):
    rng = np.random.default_rng([7, seed])
    kernel = [[["1/4", "3/4"], ["2/3", "1/3"]], [["1/2", "1/2"], ["1/5", "4/5"]]]
    values = [np.sort(rng.integers(-1, 6, (2, 2)), axis=1)]
    costs = [0, int(rng.integers(0, 3))]
    env = mo.MarkovTypes(values, [kernel], [["1/3", "2/3"]], cost=costs, horizon=2, discount="4/5")
    expected = raw_persistent.raw_value(env, "interim", list(names), True, deterministic=True)
    best = mo.optimum(env, "periodic-ex-post", "interim", subject_to=names, deterministic=True)
    assert best.status is Status.OPTIMAL
    assert best.value == pytest.approx(expected, abs=1e-7)
    report = mo.verify(best.mechanism)
    assert report.holds and all(report[name].holds for name in names)
    for name in names:  # neither is idle in all of them
        assert best.value <= mo.optimum(env, "periodic-ex-post", "interim", subject_to=name).bound.upper + 1e-8


def test_limits_of_single_payments_go_with_participation_on_paths_where_nothing_is_drawn():
    kernel = [[["1/4", "3/4"], ["2/3", "1/3"]], [["1/2", "1/2"], ["1/5", "4/5"]]]
    env = mo.MarkovTypes([[[0, 0], [1, 3]]], [kernel], [["1/3", "2/3"]], horizon=3)
    best = mo.optimum(env, "bayesian", "epir", subject_to="no-subsidy", deterministic=True)
    report = mo.verify(best.mechanism, ["bayesian", "epir", "no-subsidy", "deterministic"])
    assert best.status is Status.OPTIMAL and report.holds
    for ir, names in (("epir", ()), ("interim", "no-subsidy")):
        assert 0 < best.value <= mo.optimum(env, "bayesian", ir, subject_to=names).bound.upper + 1e-9


@pytest.mark.parametrize(
    ("horizon", "quota", "lotteries"), [(1, 0, 0), (2, 0.3, 0.35), (3, 0.55, 0.7), (4, 0.85, 1.08125)]
)
def test_without_money_the_best_is_a_quota(horizon, quota, lotteries):
    """Values 1 and 3 at 1/2, cost 2.2. Sell always: -0.2 a period; a quota of m sales to the first high values."""
    env = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], horizon, cost="11/5")
    problem = mo.Problem(env, "dic", None, "no-money", "welfare")
    assert problem.solve().value == pytest.approx(lotteries, abs=1e-9)
    assert problem.solve(deterministic=True).value == pytest.approx(quota, abs=1e-9)


def two_items():
    """Two independent goods of values 1, 2 and 1, 3 at 1/2 (Hart and Reny): an action is a bundle."""
    types = [(a, b) for a in (1, 2) for b in (1, 3)]
    bundles = [(0, 0), (1, 0), (0, 1), (1, 1)]
    values = [[a * x + b * y for a, b in types] for x, y in bundles]
    return mo.MarkovTypes([values], [np.eye(4, dtype=int).tolist()], [["1/4"] * 4], horizon=1)


def test_one_type_and_one_period_and_ties():
    alone = mo.IndependentTypes.iid([3], [1], 1)
    assert mo.optimum(alone, deterministic=True).value == pytest.approx(3)
    tied = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=2)
    best = mo.optimum(tied, deterministic=True)
    assert best.value == pytest.approx(mo.optimum(tied).value)
    assert mo.verify(best.mechanism).holds
    bundles = mo.optimum(two_items(), deterministic=True)
    prices = [(a, b, c) for a in range(1, 6) for b in range(1, 6) for c in range(1, 8)]

    def menu(a, b, c):
        paid = 0.0
        for x, y in ((x, y) for x in (1, 2) for y in (1, 3)):
            options = [(0, 0), (x - a, a), (y - b, b), (x + y - c, c)]
            paid += max(options)[1] / 4
        return paid

    assert bundles.value == pytest.approx(max(menu(*price) for price in prices))


def test_no_mechanism_without_lotteries():
    """Balance without money and a sale in expectation of 1/2: only a lottery does it."""
    env = mo.IndependentTypes.iid([2], [1], 1, cost=1)
    found = mo.optimum(env, subject_to="payment-cap:-1", deterministic=True)
    assert found.status is Status.INFEASIBLE or found.value <= -1 + 1e-9
    none = mo.optimum(env, ir="epir", subject_to="strong-budget-balance+payment-cap:-1", deterministic=True)
    assert none.status is Status.INFEASIBLE and none.conflict
    with pytest.raises(mo.errors.NoOptimumError, match="infeasible"):
        none.require_optimal()


def test_without_a_bound():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1)
    found = mo.optimum(env, ir=None, deterministic=True)
    assert found.status is Status.UNBOUNDED and found.bound.upper == np.inf and found.conflict


def correlated():
    """Nothing, a sale to agent 0, or a test that costs 5: what agent 1 then sees tells of agent 0's type."""
    kernel = np.full((3, 2, 1, 1, 2), "1/2", dtype=object)
    kernel[2, 0, 0, 0], kernel[2, 1, 0, 0] = ["1/4", "3/4"], ["3/4", "1/4"]
    first, second = np.zeros((3, 2, 1), int), np.zeros((3, 1, 2), int)
    sale = first.copy()
    sale[1] = [[1], [3]]
    values = [[sale, second], [first, second]]
    return mo.InterdependentTypes(values, [kernel.tolist()], [["1/2"], ["1/2"]], cost=[0, 0, 5], horizon=2)


def test_payments_at_histories_of_weight_zero_do_not_count():
    """Bets on the test, which is all but never made, get the whole surplus of 2; without lotteries it is a price of 3.

    A price of 1 or 3 earns 1 or 3/2, a test costs 5. The solver's bound counts bets on a test that is never made.
    """
    env = correlated()
    drawn = mo.optimum(env)
    assert drawn.mechanism.limit and drawn.value == pytest.approx(2)
    best = mo.optimum(env, deterministic=True)
    assert not best.mechanism.limit
    assert mo.verify(best.mechanism).holds
    assert best.value == pytest.approx(1.5) and best.bound.lower == pytest.approx(best.mechanism.revenue, abs=1e-7)
    assert best.status is Status.UNPROVED and best.bound.upper == pytest.approx(2, abs=1e-5)
    assert "never comes to" in best.conflict[0]


def test_a_gap_leaves_the_bracket_open_and_says_how_far():
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/3"] * 3, 3)
    exact = mo.optimum(env, deterministic=True)
    rough = mo.optimum(env, deterministic=True, gap=0.2)
    assert rough.status is Status.OPTIMAL
    assert rough.bound.lower <= exact.value + 1e-9 <= rough.bound.upper + 2e-9
    assert rough.bound.upper - rough.bound.lower <= 0.2 * rough.bound.upper


def test_a_time_limit_leaves_a_bracket():
    env = mo.IndependentTypes.iid([1, 2, 4, 7], ["1/4"] * 4, 3, agents=2)
    told = []
    best = mo.Problem(env, form="utility").solve(
        deterministic=True, time_limit=0.0, bracket=lambda *now: told.append(now)
    )
    assert best.status is Status.TIME_LIMIT
    assert best.bound.upper <= env.first_best + 1e-6
    assert best.bound.lower == pytest.approx(0) and mo.verify(best.mechanism).holds  # nothing is sold
    chain = mo.load("battaglini-2005/two-types")
    kept = mo.optimum(chain, "bayesian", "epir", deterministic=True, time_limit=0.0)
    assert kept.status is Status.TIME_LIMIT and kept.bound.lower == pytest.approx(0, abs=1e-9)
    with pytest.raises(LimitError):
        best.require_optimal()


PRESSED = """
import os, signal, time
from mechopt import cli
from mechopt.solve import runtime

class Pressed(runtime._silent_class()):
    def run(self):
        self.pressed = False
        self.cbMipInterrupt += self.press
        return super().run()

    def press(self, event):
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

runtime._silent_class = lambda: Pressed
cli.main()
"""
MODEL = """
kind = "independent"
horizon = 2
cost = "1/2"
[[buyers]]
values = [1, 2, 4, 7]
probabilities = [0.3, 0.3, 0.2, 0.2]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_in_branch_and_bound_gives_the_bracket_so_far(tmp_path):
    (tmp_path / "model.toml").write_text(MODEL.replace("horizon = 2", "horizon = 4"))
    env = mo.load(tmp_path / "model.toml")
    command = [sys.executable, "-c", PRESSED, "solve", "model.toml", "--deterministic", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "interrupted" and document["method"] == "mip"
    assert document["bound"]["upper"] >= mo.repeated_myerson(env).revenue
    lower = document["bound"]["lower"]
    assert lower is None or lower <= mo.optimum(env).bound.upper


def test_the_file_and_the_flag_mean_the_same(tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL)
    asked = tmp_path / "asked.toml"
    asked.write_text('subject_to = ["deterministic"]\n' + MODEL)
    found = []
    for arguments in ([str(path), "--deterministic"], [str(asked)], [str(path), "--subject-to", "deterministic"]):
        done = subprocess.run(
            [sys.executable, "-m", "mechopt", "solve", *arguments, "--json"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["verified"]["deterministic"]["holds"]
        found.append(document["value"])
    assert found == [found[0]] * 3


def test_bad_input():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2)
    for options, words in (
        ({"exact": True}, "no exact proof"),
        ({"method": "program"}, "nothing may be drawn"),
        ({"gap": 1.5}, "share of the optimum"),
    ):
        with pytest.raises(InputError, match=words):
            mo.optimum(env, deterministic=True, **options)
    with pytest.raises(InputError, match="deterministic"):
        mo.optimum(env, method="mip")
    with pytest.raises(InputError, match="leave it out"):
        mo.optimum(env, gap=0.1)
    with pytest.raises(InputError, match="no exact proof"):
        mo.Problem(env, subject_to="deterministic").certify()
    with pytest.raises(InputError, match="give it as subject_to="):
        mo.optimum(env, ic="deterministic")
    with pytest.raises(InputError, match="takes no amount"):
        mo.optimum(env, subject_to="deterministic:1")


def test_what_is_drawn_is_found_and_replays():
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/3"] * 3, 3)
    for mechanism in (
        mo.Problem(env, form="utility").solve().mechanism,
        mo.optimum(
            mo.MarkovTypes([[[0, 0], [1, 3]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], cost=[0, "11/5"], horizon=3),
            objective="welfare",
            ir=None,
            subject_to="no-money",
        ).mechanism,
    ):
        for exact in (False, True):
            check = mo.verify(mechanism, "deterministic", exact)["deterministic"]
            assert check.status == "violated" and 0 < check.gain <= 0.5
            assert check.counterexample.replay(mechanism) == pytest.approx(check.gain)
            assert "off certainty" in str(check.counterexample)


def test_the_program_that_is_written_has_whole_numbers(tmp_path):
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/3"] * 3, 2)
    problem = mo.Problem(env, subject_to="deterministic")
    problem.write(tmp_path / "model.mps")
    highs = mo.Problem(env, subject_to="deterministic").to_highs()
    highs.run()
    best = problem.solve()
    assert highs.getInfo().objective_function_value == pytest.approx(best.value)
    assert "INTORG" in (tmp_path / "model.mps").read_text()
    assert problem.to_cvxpy().solve(solver="HIGHS").revenue == pytest.approx(best.value)


def test_solutions_of_other_solvers_may_not_draw(tmp_path):
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/3"] * 3, 3)
    drawing = mo.Problem(env, form="utility")
    exact = mo.Problem(env, subject_to="deterministic")
    for problem, name in ((drawing, "lottery.sol"), (exact, "whole.sol")):
        highs = problem.to_highs()
        highs.run()
        highs.writeSolution(str(tmp_path / name), 0)
    with pytest.raises(InputError, match="draws: allocation"):
        exact.read_solution(tmp_path / "lottery.sol")
    found = exact.read_solution(tmp_path / "whole.sol")
    assert found.status is Status.UNPROVED and found.value == pytest.approx(exact.solve().value)
    assert mo.verify(found.mechanism).holds


def test_the_solvers_bound_is_raised():
    assert searching.raised_bound(0.0) == searching.MIP_TOLERANCE
    assert searching.raised_bound(-100.0) == pytest.approx(-100 + 100 * searching.MIP_TOLERANCE)


def test_what_lotteries_are_worth():
    env = mo.IndependentTypes.iid([1, 2, 4], ["1/3"] * 3, 3)
    found = mo.explain(mo.optimum(env))
    best, alone = mo.optimum(env).value, mo.optimum(env, deterministic=True)
    assert found.lotteries.lower == pytest.approx(alone.value / best, abs=1e-9)
    assert found.lotteries.upper == pytest.approx(alone.value / best, abs=1e-9)
    assert "Without lotteries: 97.67% of the optimum" in found.to_html()
    assert "without lotteries: 97.67%" in found.less_memory()
    assert mo.explain(mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2))).lotteries.lower == 1
    assert mo.explain(alone).lotteries is None
