"""Constraints on payments, persistent types: against a program of the tests' own, verified and proved."""

from __future__ import annotations

import numpy as np
import pytest

import mechopt as mo
from tests.persistent_instances import battaglini, random_correlated
from tests.solve.payments.raw_persistent import raw_value

NAMES = [
    "no-money",
    "no-subsidy",
    "payment-cap:1",
    "budget:1",
    "prefix-budget:1",
    "weak-budget-balance",
    "strong-budget-balance",
    "ex-ante-budget-balance",
    "payment-cap:2+weak-budget-balance",
    "budget:2+strong-budget-balance",
]


def random_chain(seed, steered):
    """Full support, values and costs of any size, perhaps of several agents."""
    rng = np.random.default_rng(seed)
    agents, actions = 1 + seed % 2, 2 + seed % 2
    sizes = [2 if agents == 2 else int(rng.integers(1, 4)) for _ in range(agents)]

    def distribution(*shape):
        weights = rng.integers(1, 4, shape)
        totals = weights.sum(axis=-1, keepdims=True)
        return np.vectorize(lambda w, total: f"{w}/{total}")(weights, np.broadcast_to(totals, shape)).tolist()

    return mo.MarkovTypes(
        [np.sort(rng.integers(-1, 6, (actions, k)), axis=1) for k in sizes],
        [distribution(actions, k, k) if steered else distribution(k, k) for k in sizes],
        [distribution(k) for k in sizes],
        cost=rng.integers(0, 2, actions).tolist(),
        horizon=2,
        discount=["1", "4/5"][seed // 2 % 2],
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steered", [False, True], ids=["free", "steered"])
@pytest.mark.parametrize("seed", range(4))
def test_against_the_raw_program(seed, steered, name):
    env = random_chain(seed, steered)
    ir = ["interim", "periodic", "epir"][(seed + NAMES.index(name)) % (2 if steered else 3)]
    expected = raw_value(env, ir, name.split("+"), steered)
    best = mo.optimum(env, "periodic-ex-post", ir, subject_to=name)
    if expected is None:
        assert best.status is mo.results.Status.INFEASIBLE
        return
    assert best.status is mo.results.Status.OPTIMAL
    assert best.value == pytest.approx(expected, abs=1e-7)
    program, _ = mo.formats.compile_program(mo.Problem(env, "periodic-ex-post", ir, name).plan)
    assert program.size == (best.size.rows, best.size.columns, best.size.nonzeros)
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-7)
    report = mo.verify(best.mechanism)
    assert report.holds, report
    proof = mo.formats.certify(env, "periodic-ex-post", ir, subject_to=name)
    assert float(mo.formats.check_certificate(env, proof)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("ic", ["bayesian", "bayesian-actions", "bayesian-own"])
@pytest.mark.parametrize("name", ["no-subsidy", "payment-cap:1", "budget:3/2", "prefix-budget:3/2"])
def test_every_bayesian_constraint_takes_them(ic, name):
    env = random_chain(1, True)
    best = mo.optimum(env, ic, subject_to=name, exact=True)
    assert best.value <= mo.optimum(env, ic).value + 1e-8
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


def test_a_budget_that_cannot_bind_changes_nothing():
    env = battaglini(3)
    for ir in ("interim", "epir", "per-period"):
        free = mo.optimum(env, ir=ir).value
        assert mo.optimum(env, ir=ir, subject_to="budget:100").value == pytest.approx(free, abs=1e-9)
        assert mo.optimum(env, ir=ir, subject_to="prefix-budget:100").value == pytest.approx(free, abs=1e-9)
    assert (
        mo.formats.certify(env, subject_to="budget:0+no-subsidy").value
        == mo.formats.certify(env, subject_to="no-money").value
    )


@pytest.mark.parametrize(
    ("ir", "name"),
    [("epir", "no-subsidy"), ("per-period", "budget:1"), ("interim", "no-money+budget:1"), ("prefix", "payment-cap:1")],
)
def test_two_divisions_of_one_payment_are_refused(ir, name):
    env = random_chain(0, True)
    with pytest.raises(mo.InputError, match="draw of the action"):
        mo.optimum(env, ir=ir, subject_to=name)
    proof = mo.formats.certify(env, ir="interim", subject_to=name.split("+")[-1])
    forged = mo.formats.Certificate(
        **{f: getattr(proof, f) for f in proof.__dataclass_fields__}
        | {"ir": mo.Problem(env, ir=ir).ir, "subject_to": mo.Problem(battaglini(1), subject_to=name).subject_to}
    )
    with pytest.raises(mo.errors.CertificateError, match="draws of earlier actions"):
        mo.formats.check_certificate(env, forged)


# Uniform values and costs on N midpoints: revenue of a broker, the second best (tends to 9/64 from above), and the best
# with a balanced budget and periodic ex post constraints (tends to 1/8).
BROKER = {6: (7 / 108, 0.154320987654, 0.138888888889), 10: (0.0550, 0.1512, 0.135)}


@pytest.mark.parametrize("size", BROKER)
def test_bilateral_trade(size):
    grid = [f"{2 * k + 1}/{2 * size}" for k in range(size)]
    distribution = [f"1/{size}"] * size
    values = [[["0"] * size, grid], [["0"] * size, ["-" + v for v in grid]]]
    env = mo.MarkovTypes(values, [[distribution] * size] * 2, [distribution, distribution], horizon=1)
    broker, second, strong = BROKER[size]
    assert mo.optimum(env, "bayesian", "interim").value == pytest.approx(broker, abs=6e-5)
    asked = {"ic": "bayesian", "ir": "interim", "objective": "welfare"}
    found = mo.optimum(env, **asked, subject_to=mo.ExAnteBudgetBalance()).value
    assert found == pytest.approx(second, abs=6e-5)
    assert mo.optimum(env, **asked, subject_to="strong-budget-balance").value == pytest.approx(found, abs=1e-8)
    ex_post = mo.optimum(env, "periodic-ex-post", "periodic-ex-post-ir", "welfare", subject_to="strong-budget-balance")
    assert ex_post.value == pytest.approx(strong, abs=1e-8)


@pytest.mark.parametrize(
    ("values", "cost", "welfare"),
    [(("1", "3"), "2.2", [0, 0.35, 0.70, 1.08125]), (("1", "2"), "1.6", [0, 1 / 6, 0.322222222, 0.488888889])],
)
def test_without_money_there_is_a_budget_of_promised_utility(values, cost, welfare):
    # One agent, values drawn anew at 1/2 each, a seller's cost of a sale; the optimum beats every quota from T = 2 on.
    for periods, best in enumerate(welfare, 1):
        fresh = mo.IndependentTypes.iid(values, ["1/2", "1/2"], horizon=periods, cost=cost)
        distribution = [["1/2", "1/2"], ["1/2", "1/2"]]
        chain = mo.MarkovTypes([[[0, 0], values]], [distribution], [distribution[0]], cost=[0, cost], horizon=periods)
        for env, ic in ((fresh, "dic"), (chain, "bayesian"), (chain, "periodic-ex-post")):
            found = mo.optimum(env, ic, None, "welfare", subject_to="no-money")
            assert found.value == pytest.approx(best, abs=1e-8)
            assert mo.verify(found.mechanism).holds


@pytest.mark.parametrize("name", NAMES[:8])
@pytest.mark.parametrize("kind", ["interdependent", "separable"])
def test_other_kinds_of_persistent_types(kind, name):
    env = random_correlated(0)
    if kind == "separable":
        env = mo.load("kakade-lobel-nazerzadeh-2013/non-separable")
    best = mo.optimum(env, subject_to=name)
    assert best.value <= mo.optimum(env).value + 1e-8
    assert mo.verify(best.mechanism).holds
    proof = mo.formats.certify(env, subject_to=name)
    assert float(mo.formats.check_certificate(env, proof)) == pytest.approx(best.value, abs=1e-7)
