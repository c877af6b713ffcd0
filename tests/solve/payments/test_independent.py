"""Constraints on payments, types independent across periods: against the raw program of the definitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.methods import choose
from mechopt.solve.program import Effort
from tests.solve.payments.raw_independent import raw_value

NAMES = [
    "no-money",
    "no-subsidy",
    "payment-cap:1",
    "payment-cap:-1/3",
    "budget:3/2",
    "budget:0+no-subsidy",
    "prefix-budget:1/2",
    "weak-budget-balance",
    "strong-budget-balance",
    "ex-ante-budget-balance",
    "no-subsidy+payment-cap:2+budget:2+weak-budget-balance",
]
ASKED = [("dic", "epir"), ("ex-post", "per-period"), ("ppic+indu", "prefix"), ("dic", "interim"), ("dic", "periodic")]


def random_types(seed):
    """Unequal type counts, zero probabilities, costs by period, a value of 0."""
    rng = np.random.default_rng(seed)
    buyers, horizon = [(1, 1), (1, 2), (2, 1), (2, 2)][seed % 4]
    sizes = rng.integers(1, 3 if buyers == 2 and horizon == 2 else 4, (buyers, horizon))
    values = [[sorted(rng.choice(5, k, replace=False).tolist()) for k in row] for row in sizes]
    distributions = []
    for row in sizes:
        distributions.append([])
        for k in row:
            weights = rng.integers(0, 4, k)
            weights[0] += weights.sum() == 0
            distributions[-1].append([f"{w}/{weights.sum()}" for w in weights])
    cost = [f"{c}/2" for c in rng.integers(0, 3, horizon)]
    return mo.IndependentTypes(values, distributions, cost=cost, discount=["1", "4/5"][seed % 2])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(8))
def test_against_the_raw_program(seed, name):
    env = random_types(seed)
    ic, ir = ASKED[(seed + NAMES.index(name)) % len(ASKED)]
    expected = raw_value(env, ic.split("+"), ir.split("+"), name.split("+"))
    best = mo.optimum(env, ic, ir, subject_to=name)
    if expected is None:
        assert best.status is mo.results.Status.INFEASIBLE
        assert any(line.startswith(name.split("+")[0]) for line in best.conflict)
        return
    assert best.status is mo.results.Status.OPTIMAL
    assert best.value == pytest.approx(expected, abs=1e-8)
    program, _ = mo.formats.compile_program(mo.Problem(env, ic, ir, name).plan)
    assert program.size == (best.size.rows, best.size.columns, best.size.nonzeros)
    report = mo.verify(best.mechanism)
    assert report.holds, report
    assert {c.name for c in report} == {*ic.split("+"), *ir.split("+"), *name.split("+")}
    proof = mo.formats.certify(env, ic, ir, subject_to=name)
    assert float(mo.formats.check_certificate(env, proof)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_the_looser_the_more(seed):
    env = random_types(seed)

    def value(name):
        return mo.optimum(env, ir="interim", subject_to=name).value

    budgets = [value(f"budget:{b}") for b in (0, "1/2", 1, 2, 50)]
    caps = [value(f"payment-cap:{b}") for b in (0, "1/2", 1, 2, 50)]
    for row in (budgets, caps):
        assert all(a <= b + 1e-8 for a, b in pairwise(row))
        assert row[-1] == pytest.approx(value(None), abs=1e-8)
    for tight, loose in (
        ("no-money", "no-subsidy"),
        ("prefix-budget:1", "budget:1"),
        ("strong-budget-balance", "weak-budget-balance"),
        ("weak-budget-balance", "ex-ante-budget-balance"),
    ):
        assert value(tight) <= value(loose) + 1e-8


def test_two_values_with_a_budget_by_hand():
    # One period, values 1 and 2 at 1/2, budget 1: sell to both at 1. Budget 3/2: type 2 buys for sure at 3/2, type 1 at
    # 1 with probability 1/2, so that type 2 is indifferent: 2 - 3/2 = (2 - 1)/2; revenue (1/2 + 3/2)/2 = 1.
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    for budget in (1, "3/2", 2, 5):
        assert mo.formats.certify(env, subject_to=mo.Budget(budget)).value == 1
    # two values 1 and 4: the monopoly price is 4, revenue 2; with a budget b in [1, 4] type 4 buys for sure at b and
    # type 1 at 1 with probability q, 4 - b = 3 q: revenue (b + (4 - b)/3)/2
    wide = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=1)
    assert mo.formats.certify(wide, subject_to="budget:2").value == mo.core.numbers.to_exact("4/3")
    assert mo.formats.certify(wide, subject_to="budget:4").value == 2


def test_budgets_by_agent():
    env = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=1, agents=2)
    free, poor = (mo.optimum(env, subject_to=mo.Budget(b)) for b in ([4, 4], [4, 0]))
    assert free.value == pytest.approx(mo.optimum(env).value)
    assert poor.value == pytest.approx(mo.optimum(mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], 1)).value)
    assert float(np.abs(poor.mechanism.payment[0][1]).max()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("agents", [1, 2])
@pytest.mark.parametrize("method", ["promised", "closed-form", "orbits", "dual"])
@pytest.mark.parametrize("exact", [False, True])
def test_methods_that_cannot_say_it_refuse(method, agents, exact):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=agents)
    with pytest.raises(mo.InputError, match=f'method "{method}"'):
        mo.optimum(env, method=method, subject_to="no-subsidy", exact=exact)


@pytest.mark.parametrize(("agents", "quick"), [(1, "promised"), (3, "orbits")])
def test_auto_takes_the_program(agents, quick):
    long, env = (mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon, agents=agents) for horizon in (4, 2))
    assert choose(mo.Problem(long)).name == quick
    for exact in (False, True):
        assert choose(mo.Problem(long, subject_to="budget:1"), Effort(exact)).name == "program"
    poor, free = mo.optimum(env, subject_to="budget:1", exact=True), mo.optimum(env, exact=True)
    assert poor.method not in ("promised", "orbits", "dual")
    assert poor.exact < free.exact


def test_forms_without_payments_refuse():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    with pytest.raises(mo.InputError, match="cannot express"):
        mo.optimum(env, form="utility", subject_to="no-subsidy")


def test_that_nothing_is_feasible_is_proved():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    best = mo.optimum(env, subject_to="no-subsidy+budget:-1", exact=True)
    assert best.status is mo.results.Status.INFEASIBLE
    assert best.exact is None
    assert {line.split(",")[0] for line in best.conflict} >= {"no-subsidy", "budget:-1"}
    assert best.certificate.status == "infeasible"
    assert mo.formats.check_certificate(env, best.certificate) is None
