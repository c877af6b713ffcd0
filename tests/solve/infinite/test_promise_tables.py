"""Mechanisms for ever: tables of promises against plain recursions, closed forms, files and the command line."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanism.endless.states import StateMechanism
from tests.solve.infinite.test_brackets import chain, item, random_chain, staying, two_types

BATTAGLINI = """
kind = "markov"
horizon = "infinite"
discount = "19/20"
actions = ["keep", "sell"]

[[agents]]
types = ["low", "high"]
initial = ["2/5", "3/5"]
values = [[0, 0], [1, 2]]
kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
"""


def plain_values(mechanism, strategic, periods):
    """By state and true type, of truth or the best allowed reports over so many periods: loops over everything."""
    env, (s, types, actions) = mechanism.environment, mechanism.allocation.shape
    after, distribution = mechanism.after.toarray().reshape(s, types, actions, s), mechanism.distributions[0]
    values, kernel = env.values[0][0], env.kernel[0][0]
    found = np.zeros((s, types))
    for _ in range(periods):
        now = np.full((s, types), -np.inf)
        for state in range(s):
            for true in range(types):
                for report in np.flatnonzero(distribution[state]) if strategic else [true]:
                    total = 0.0
                    for a in range(actions):
                        ahead = after[state, report, a] @ found @ kernel[a, true]
                        fee = mechanism.payment[0, state, report, a]
                        total += mechanism.allocation[state, report, a] * (values[a, true] - fee + env.discount * ahead)
                    now[state, true] = max(now[state, true], total)
        found = now
    return found


def plain_revenue(mechanism, periods):
    """Expected payments less costs: the distribution of states and types, period after period."""
    env, (s, types, actions) = mechanism.environment, mechanism.allocation.shape
    after = mechanism.after.toarray().reshape(s, types, actions, s)
    mass, total = np.zeros((s, types)), 0.0
    mass[0] = env.initial[0]
    for t in range(periods):
        flow = mass[:, :, None] * mechanism.allocation
        total += env.discount**t * (flow * (mechanism.payment[0] - env.costs[0])).sum()
        mass = np.einsum("ska,skan,akl->nl", flow, after, env.kernel[0][0])
    return total


def least_sum(mechanism, periods):
    """Smallest discounted utility on a path that truth may take."""
    env, (s, types, actions) = mechanism.environment, mechanism.allocation.shape
    after = mechanism.after.toarray().reshape(s, types, actions, s)
    least = np.zeros(s)
    for _ in range(periods):
        least = np.array(
            [
                min(
                    env.values[0][0][a, k]
                    - mechanism.payment[0, state, k, a]
                    + env.discount * min(least[n] for n in range(s) if after[state, k, a, n] > 0)
                    for k in range(types)
                    for a in range(actions)
                    if mechanism.distributions[0][state, k] > 0 and mechanism.allocation[state, k, a] > 0
                )
                for state in range(s)
            ]
        )
    return least[0]


@pytest.mark.parametrize("ir", ["interim", "periodic", "epir", "prefix", "per-period"])
@pytest.mark.parametrize("seed", range(3))
def test_the_table_does_what_the_bracket_says(seed, ir):
    env = random_chain(seed, 0.4, "infinite")
    best = mo.optimum(env, ir=ir)
    mechanism, periods = best.mechanism, 40
    assert str(best.status) == "optimal"
    assert best.bound.lower <= plain_revenue(mechanism, periods) + 1e-7
    assert plain_revenue(mechanism, periods) == pytest.approx(best.value, abs=1e-8)
    truth, best_reply = (plain_values(mechanism, strategic, periods) for strategic in (False, True))
    first = env.initial[0] > 0
    assert (best_reply[0] - truth[0])[first].max() <= 1e-7
    assert truth[0][first].min() >= -1e-8
    if ir in ("epir", "prefix", "per-period"):
        assert least_sum(mechanism, periods) >= -1e-8
    checked = mo.verify(mechanism)
    assert checked.holds
    assert {constraint.name for constraint in checked} == {"bayesian", ir}


def test_ex_post_participation_lies_between_what_it_implies_and_what_is_constant():
    # any action for ever at its smallest value is a mechanism; EPIR implies interim participation
    for seed in range(3):
        env = random_chain(seed, 0.6, "infinite")
        interim, ex_post = (mo.mechanisms.infinite_optimum(env, 1e-3, ir=ir) for ir in ("interim", "epir"))
        constant = max((env.values[0][0][a].min() - env.costs[0][a]) / (1 - 0.6) for a in range(env.action_counts[0]))
        assert constant - 1e-6 <= ex_post.bound.upper
        assert ex_post.bound.lower <= interim.bound.upper


@pytest.mark.parametrize(
    ("values", "distribution", "stay", "discount", "low", "high"),
    [
        ([1, 2], ["2/5", "3/5"], "3/4", "1/2", 2.344144, 2.344146),
        ([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", "1/2", 3.639708, 3.639744),
        pytest.param([1, 2], ["2/5", "3/5"], "3/4", "9/10", 12.20, 13.09, marks=pytest.mark.slow),
        ([1, 2], ["1/2", "1/2"], "1/2", "1/2", 4 - 3**0.5, 4 - 3**0.5),
    ],
)
def test_ex_post_values_of_independent_programs(values, distribution, stay, discount, low, high):
    # brackets of a prototype in plain scipy, and 4 - sqrt 3 with types drawn afresh, by hand
    best = mo.optimum(item(values, distribution, stay, discount), ir="epir")
    assert best.bound.lower <= high
    assert low <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1.01e-3 * best.bound.upper
    assert mo.verify(best.mechanism, ["bayesian", "epir", "per-period"]).holds


def test_counterexamples_replay_and_exactness_agrees():
    best = mo.optimum(item([1, 2], ["2/5", "3/5"], "3/4", "1/2"), ir="epir")
    m = best.mechanism
    dear = replace(m, payment=m.payment + 0.2)
    for name in ("interim", "periodic", "epir", "prefix", "per-period"):
        found = mo.verify(dear, name)[name]
        assert str(found.status) == "violated"
        assert found.counterexample.replay(dear) == pytest.approx(found.gain, abs=1e-8)
        assert str(mo.verify(dear, name, exact=True)[name].status) == "violated"
    payment = m.payment.copy()
    payment[0, 0, 1] += 0.3  # the high type pays more at first, and would rather be low
    tempting = replace(m, payment=payment)
    for name in ("bayesian", "periodic-ex-post"):
        found = mo.verify(tempting, name)[name]
        assert str(found.status) == "violated"
        assert found.counterexample.replay(tempting) == pytest.approx(found.gain, abs=1e-8)
        assert mo.verify(tempting, name, exact=True)[name].gain == pytest.approx(found.gain, abs=1e-9)
    exact = mo.verify(m, ["bayesian", "epir"], exact=True)
    assert exact.holds
    assert exact["bayesian"].rounding < 1e-11


def test_files_frames_simulation(tmp_path):
    env = item([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", "1/2")
    m = mo.optimum(env, ir="epir").mechanism
    m.save(tmp_path / "m.npz")
    again = mo.load_mechanism(tmp_path / "m.npz", env)
    assert again.revenue == m.revenue
    assert again.claims == m.claims
    np.testing.assert_array_equal(again.after.toarray(), m.after.toarray())
    assert mo.verify(again).holds
    with pytest.raises(mo.InputError, match="another environment"):
        mo.load_mechanism(tmp_path / "m.npz", item([1, 2, 4], ["1/4", "1/4", "1/2"], "7/10", "1/3"))
    averages = m.simulate(1, 20_000)
    assert averages.revenue == pytest.approx(m.revenue, abs=5 * averages.revenue_error)
    frame = m.to_frame()
    assert set(frame.columns) == {"state", "reports", "agent", "action", "weight", "payment", "next"}
    assert frame.groupby(["state", "reports"]).weight.sum().to_numpy() == pytest.approx(1)


def test_states_say_how_types_are_distributed():
    m = mo.optimum(item([1, 2], ["2/5", "3/5"], "3/4", "1/2")).mechanism
    distributions = np.array(m.distributions[0])
    distributions[1] = [0.5, 0.5]
    with pytest.raises(mo.InputError, match="is not what state"):
        replace(m, distributions=(distributions,))
    with pytest.raises(mo.InputError, match="expected is"):
        StateMechanism(m.environment, m.distributions, m.allocation[:, :1], m.payment, m.after)
    allocation = m.allocation.copy()
    allocation[0, 0] = [0.7, 0.7]
    with pytest.raises(mo.InputError, match="off 1"):
        replace(m, allocation=allocation)


@pytest.mark.parametrize("discount", ["1/2", "9/10", "19/20"])
def test_battaglini_in_optimum(discount):
    best = mo.optimum(item([1, 2], ["2/5", "3/5"], "3/4", discount))
    exact = two_types(1, 2, 0.6, 0.75, float(Fraction(discount)))
    assert best.bound.lower <= exact <= best.bound.upper
    assert best.bound.upper - best.bound.lower <= 1e-6 * exact
    assert best.method == "infinite"


def test_the_command_line_saves_what_verify_checks(tmp_path):
    (tmp_path / "b.toml").write_text(BATTAGLINI)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "mechopt", *arguments], capture_output=True, text=True, cwd=tmp_path, check=True
        ).stdout

    solved = json.loads(run("solve", "b.toml", "--save", "b.npz", "--json"))
    assert solved["bound"]["upper"] - solved["bound"]["lower"] <= 1e-6
    assert solved["bound"]["lower"] <= two_types(1, 2, 0.6, 0.75, 0.95) <= solved["bound"]["upper"]
    assert all(check["holds"] for check in solved["verified"].values())
    checked = json.loads(run("verify", "b.toml", "b.npz", "--ir", "periodic", "--ic", "periodic-ex-post", "--json"))
    assert all(check["holds"] for check in checked["constraints"].values())


def test_what_has_no_bound_is_refused_with_what_does():
    env = item([1, 2], ["2/5", "3/5"], "3/4", "1/2")
    with pytest.raises(mo.InputError, match="is for an infinite horizon, revenue"):
        mo.optimum(env, objective="welfare")
    with pytest.raises(mo.InputError, match="no exact optimum"):
        mo.optimum(env, exact=True)
    with pytest.raises(mo.InputError, match="is for a finite horizon"):
        mo.optimum(env, method="dual")
    with pytest.raises(mo.InputError, match="infinite horizon"):
        mo.optimum(item([1, 2], ["2/5", "3/5"], "3/4", "1/2", horizon=2), method="infinite")
    with pytest.raises(mo.InputError, match="no program over histories"):
        mo.Problem(env).size  # noqa: B018
    assert mo.mechanisms.infinite_optimum(
        chain([[0, 0], [1, 2]], ["1/2", "1/2"], staying(2, "3/4"), 0.5), 1e-3, 0.0
    ).status
