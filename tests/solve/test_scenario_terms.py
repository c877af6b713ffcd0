"""The best mechanism without the future in general: against the raw program, verified, proved, saved."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.lp.scenarios.program import compile_scenarios
from mechopt.lp.scenarios.terms import scenario_terms
from mechopt.proof.certificate import CertificateError, load_certificate
from mechopt.proof.check import check_guarantee
from mechopt.proof.words import statement
from mechopt.results import QuasiNonClairvoyant
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.papers.raw_scenarios import SHAPES, random_scenarios, raw_benchmarks, raw_best, reached

COIN = {"name": "F1", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
TAIL = {"name": "F2", "values": [2, 4, 8, 16], "probabilities": ["1/2", "1/4", "1/8", "1/8"]}
PAIR = mo.Scenarios([COIN, TAIL], [["F1"], ["F1", "F2"]])
CASES = [
    # shape, agents, most types, costs, discount, ic, ir, payments, objective
    ("one, two or three", 1, 3, True, "9/10", "dic", "epir", "", "ratio"),
    ("fork and stop", 2, 2, True, 1, "dic", "epir", "", "ratio"),
    ("one or two", 3, 2, False, 1, "dic", "epir", "", "weighted"),
    ("late fork", 1, 2, True, "1/2", "dic", "epir", "", "weighted"),
    ("chain", 1, 3, False, 1, "dic", "epir", "", "regret"),
    ("fork and stop", 2, 2, True, "9/10", "dic", "epir", "", "regret"),
    ("one or two", 2, 2, True, 1, "ex-post", "prefix", "", "ratio"),
    ("chain", 1, 2, False, 1, "super-dic", "epir", "", "ratio"),
    ("fork and stop", 2, 2, False, 1, "super-dic", "epir", "", "ratio"),
    ("chain", 1, 3, True, "9/10", "ppic+indu", "epir", "", "ratio"),
    ("fork and stop", 2, 2, True, 1, "dic+indu", "epir", "", "ratio"),
    ("fork and stop", 1, 3, True, 1, "dic", "per-period", "", "ratio"),
    ("one or two", 2, 2, False, 1, "dic", "per-period", "", "regret"),
    ("late fork", 1, 2, False, 1, "ppic", "epir", "", "ratio"),
    ("one, two or three", 1, 2, False, "9/10", "dic", "interim", "", "ratio"),
    ("fork and stop", 2, 2, False, 1, "dic", "per-period-expected+prefix", "", "weighted"),
    ("fork and stop", 1, 2, True, 1, "dic", "epir+periodic", "", "ratio"),
    ("chain", 1, 2, False, 1, "indu+dic", "epir+expected-continuation", "", "ratio"),
    ("fork and stop", 1, 3, False, 1, "dic", "epir", "no-subsidy", "ratio"),
    ("one or two", 2, 2, True, "9/10", "dic", "epir", "payment-cap:2", "ratio"),
    ("chain", 1, 2, False, 1, "dic", "epir", "payment-cap:3/2", "regret"),
    ("fork and stop", 1, 2, True, 1, "dic", "epir", "no-money", "regret"),
]


def names(text):
    return tuple(text.split("+"))


def raw_payments(text):
    return [(one.partition(":")[0], one.partition(":")[2] or 0) for one in text.split("+") if one]


def drawn(case, seed):
    shape, agents, most, costly, discount, *asked = CASES[case]
    scenarios = random_scenarios(np.random.default_rng([case, seed]), shape, agents, most, costly, discount)
    if asked[-1] == "weighted":
        scenarios = replace(scenarios, weights=list(range(1, len(scenarios) + 1)))
    return scenarios, *asked


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda c: "-".join(map(str, CASES[c])))
def test_equals_the_raw_program(case):
    for seed in range(2):
        scenarios, ic, ir, payments, objective = drawn(case, seed)
        best = mo.maximin(scenarios, ic=ic, ir=ir, objective=objective, subject_to=payments or None)
        asked = names(ic), names(ir), raw_payments(payments)
        scale = max(env.first_best for env in scenarios.environments) if objective == "regret" else 1
        assert best.value == pytest.approx(raw_best(scenarios, *asked, objective), abs=1e-7 * max(1, scale))
        assert best.optima == pytest.approx(raw_benchmarks(scenarios, *asked), abs=1e-7)
        assert best.bound.lower - 1e-9 <= best.value <= best.bound.upper + 1e-9
        report = mo.verify(best.rule)
        assert report.holds, report
        problem = mo.Problem(scenarios.environments[0], ic, ir, payments or None)
        assert {mo.NonClairvoyant(), *problem.ic, *problem.ir, *problem.subject_to} <= set(best.rule.claims)


@pytest.mark.parametrize("case", [0, 1, 3, 5, 7, 10, 11, 15, 18, 19, 20], ids=lambda c: "-".join(map(str, CASES[c])))
def test_is_proved_in_fractions(case, tmp_path):
    scenarios, ic, ir, payments, objective = drawn(case, 0)
    terms = {"ic": ic, "ir": ir, "objective": objective, "subject_to": payments or None}
    proof = certify_guarantee(scenarios, **terms)
    assert float(proof.value) == pytest.approx(mo.maximin(scenarios, **terms).value, abs=1e-9)
    proof.save(tmp_path / "proof.json")
    again = load_certificate(tmp_path / "proof.json")
    assert check_guarantee(scenarios, again) == proof.value
    for word in (*ic.split("+"), *ir.split("+")):
        assert word in statement(again)
    with pytest.raises(CertificateError):
        check_guarantee(scenarios, replace(again, value=proof.value + Fraction(1, 10**9)))


def test_a_proof_is_for_what_it_says():
    proof = certify_guarantee(PAIR, ir="per-period")
    for changed in (
        {"ir": (mo.EPIR(),)},
        {"objective": "weighted"},
        {"objective": "regret"},
        {"benchmark": "standard"},
        {"subject_to": (mo.NoSubsidy(),)},
    ):
        with pytest.raises(CertificateError):
            check_guarantee(PAIR, replace(proof, **changed))


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda c: "-".join(map(str, CASES[c])))
def test_sizes_are_predicted_exactly(case):
    scenarios, ic, ir, payments, objective = drawn(case, 1)
    terms = scenario_terms(ic, ir, payments or None, objective, agents=scenarios.agents)
    plan = ScenarioPlan(scenarios, terms=terms)
    program, _ = compile_scenarios(plan, [1.0] * len(scenarios))
    assert program.size == (plan.size.rows, plan.size.columns, plan.size.nonzeros)
    assert np.all(program.value != 0)
    described = [program.describe_row(r) for r in range(plan.size.rows)]
    assert len(set(described)) == len(described)
    columns = [program.describe_column(c) for c in range(plan.size.columns)]
    assert len(set(columns)) == len(columns)


def test_the_objectives_by_hand():
    # Prices of 4 with probability q and 1 else in the first period, q = 0 best where the tail follows (5/2 + 2, the
    # tail of 4 types takes in all but 2 of the first value) and q = 1 where it does not (2 of 2): revenues are 1 + q
    # and 9/2 - q/2. Ratio: equal at q = 9/11. Weighted by w and 1 - w: w/2 against (1 - w)/9, q = 1 from w = 2/11 on.
    # Regret: 1 - q and q/2, equal at q = 2/3.
    assert mo.maximin(PAIR).optima == pytest.approx((2, 4.5))
    assert mo.maximin(PAIR).value == pytest.approx(10 / 11)
    for weight, value in ((Fraction(1, 11), Fraction(21, 22)), (Fraction(3, 11), Fraction(1) - Fraction(8, 99))):
        weighted = mo.maximin(replace(PAIR, weights=[weight, 1 - weight]), objective="weighted")
        assert weighted.value == pytest.approx(float(value))
    regret = mo.maximin(PAIR, objective="regret")
    assert regret.value == pytest.approx(1 / 3)
    assert regret.regrets == pytest.approx((1 / 3, 1 / 3))
    assert certify_guarantee(PAIR, objective="regret").value == Fraction(1, 3)
    assert repr(regret).startswith("Maximin(regret 0.333333333, ")


def test_what_rationality_in_every_period_costs_without_the_future():
    """Lemma B.1: with PPIR a seller without the future sells period by period; a clairvoyant one loses nothing."""
    best = mo.maximin(PAIR, ir="per-period")
    assert best.optima == pytest.approx((2, 4.5))  # as under EPIR
    assert best.revenues[1] <= 2 + 2 + 1e-9  # Myerson's in each period
    assert best.value == pytest.approx(4 / 4.5)
    assert certify_guarantee(PAIR, ir="per-period").value == Fraction(8, 9)
    assert mo.maximin(PAIR, ir="per-period", benchmark="standard").value == pytest.approx(4 / 4.5)
    assert mo.maximin(PAIR, ic="super-dic").value == pytest.approx(1)  # of what super-DIC allows (Lemma B.2)
    assert mo.maximin(PAIR, ic="super-dic", benchmark="standard").value == pytest.approx(4 / 4.5)


def test_two_scenarios_without_anything_to_earn():
    nothing = {"name": "F0", "values": [0, 1], "probabilities": [1, 0]}
    scenarios = mo.Scenarios([COIN, nothing], [["F0"], ["F0", "F1"]], cost={"F1": 2}, weights=[1, 0])
    for objective, value in (("ratio", 1), ("weighted", 1), ("regret", 0)):
        best = mo.maximin(scenarios, objective=objective)
        assert best.value == pytest.approx(value, abs=1e-12)
        assert check_guarantee(scenarios, certify_guarantee(scenarios, objective=objective)) == value


def test_refusals():
    with pytest.raises(mo.InputError, match="objective 'share': over scenarios it is one of ratio, weighted, regret"):
        mo.maximin(PAIR, objective="share")
    with pytest.raises(mo.InputError, match="benchmark 'own'"):
        mo.maximin(PAIR, benchmark="own")
    with pytest.raises(mo.InputError, match="bounds that of mechanisms under both alone"):
        mo.maximin(PAIR, ir="interim", benchmark="standard")
    with pytest.raises(mo.InputError, match="'F1': revenue is unbounded under these constraints"):
        mo.maximin(PAIR, ir=None)
    with pytest.raises(mo.InputError, match="scenario 'F1': revenue is unbounded"):
        certify_guarantee(PAIR, ir=None)
    for find in (mo.maximin, certify_guarantee):
        with pytest.raises(
            mo.InputError, match="'F1': nothing is earned under these constraints; try objective 'regret'"
        ):
            find(PAIR, subject_to="no-money")
    with pytest.raises(mo.InputError, match="budget"):
        mo.maximin(PAIR, subject_to="budget:1,2")


def test_the_rule_is_saved_and_read(tmp_path):
    scenarios, *_ = drawn(1, 0)
    best = mo.maximin(scenarios)
    best.save(tmp_path / "rule.npz")
    again = mo.load_mechanism(tmp_path / "rule.npz", scenarios)
    assert again.claims == best.rule.claims
    assert again.revenues == best.revenues
    for s in range(len(scenarios)):
        assert again.mechanism(s).claims == best.mechanism(s).claims
        for t in range(scenarios.environments[s].horizon):
            assert np.array_equal(again.mechanism(s).payment[t], best.mechanism(s).payment[t])
            assert np.array_equal(again.mechanism(s).allocation[t], best.mechanism(s).allocation[t])
    assert mo.verify(again).holds
    with pytest.raises(mo.InputError, match="made for another environment"):
        mo.load_mechanism(tmp_path / "rule.npz", PAIR)
    with pytest.raises(mo.InputError, match="give the model file of the scenarios"):
        mo.load_mechanism(tmp_path / "rule.npz", scenarios.environments[0])
    quasi = mo.mechanisms.ScenariosMechanism(
        scenarios, tuple(mo.quasi_non_clairvoyant(m) for m in best.mechanisms), (QuasiNonClairvoyant(), mo.PPIR())
    )
    quasi.save(tmp_path / "quasi.npz")
    assert mo.load_mechanism(tmp_path / "quasi.npz", scenarios).claims == quasi.claims


@pytest.mark.slow
def test_three_hundred_trees():
    """8 shapes, one buyer and two, costs: the raw program's value; the rule verified; the transform of B.1 keeps it."""
    rng, tried, deviation = np.random.default_rng(16), 0, 0.0
    while tried < 300:
        shape, agents = list(SHAPES)[tried % 8], 1 + tried // 8 % 2
        discount = ("1", "9/10")[tried // 16 % 2]
        scenarios = random_scenarios(rng, shape, agents, 3 if agents == 1 else 2, bool(tried % 3), discount)
        if reached(scenarios) > 400:
            continue
        tried += 1
        best = mo.maximin(scenarios).require_optimal()
        deviation = max(deviation, abs(best.value - raw_best(scenarios)))
        report = mo.verify(best.rule)
        assert report.holds, report
        quasi = tuple(mo.quasi_non_clairvoyant(one) for one in best.mechanisms)
        rule = mo.mechanisms.ScenariosMechanism(scenarios, quasi, (QuasiNonClairvoyant(), mo.DIC(), mo.PPIR()))
        report = mo.verify(rule)
        assert report.holds, report
        assert rule.revenues == pytest.approx(best.revenues, abs=1e-9)
    assert deviation < 1e-7


@pytest.mark.parametrize("limit", ["deterministic", "epsilon:1/2"])
def test_limits_that_a_guarantee_does_not_have_are_refused(limit):
    with pytest.raises(mo.InputError, match=rf"subject_to: {limit.replace('/', '.')}: a guarantee over scenarios"):
        scenario_terms(subject_to=limit)
