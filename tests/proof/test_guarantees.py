"""Guarantees over scenarios: the checker's rows for every kind of tree, its terms, and claims that are not proved."""

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.lp.scenarios.terms import scenario_terms
from mechopt.proof.certificate import CertificateError
from mechopt.proof.check import check_guarantee
from mechopt.proof.scenarios import GuaranteeModel, GuaranteeTerms
from mechopt.proof.size import independent_entries
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.guarantee import certify_guarantee, exact_guarantee_program
from tests.proof.test_rows import assert_same
from tests.solve.exact.test_guarantee import scenarios

F = {"name": "F", "values": [1, 4], "probabilities": ["1/3", "2/3"]}
G = {"name": "G", "values": [0, 1, 5], "probabilities": ["1/2", "1/3", "1/6"]}
H = {"name": "H", "values": [2], "probabilities": [1]}
REST = {"name": "rest", "values": [0], "probabilities": [1]}
COSTS = {"F": "1/2", "G": 0, "H": 1}
RIVALS = [[{**F, "values": [0, 3]}, {**G, "values": [1, 2, 9]}, {**H, "values": [1]}]]
TREES = {
    "one": mo.Scenarios([F], [["F"]]),
    "longer-first": mo.Scenarios([F, G], [["F", "G", "F"], ["F", "G"], ["F"]], "9/10"),
    "costs": mo.Scenarios([F, G, H], [["G"], ["F", "G"], ["F", "H"], ["G", "F"]], "1/2", cost=COSTS),
    "two-buyers": mo.Scenarios([F, G, H], [["F", "G"], ["H"], ["F"]], others=RIVALS, cost={"F": "7/2", "H": 5}),
    "weights": mo.Scenarios([F, G], [["F", "G"], ["F"], ["G"]], weights=[3, 0, 1]),
}
TERMS = {
    "ratio": (mo.DIC(), mo.EPIR(), "ratio", None),
    "weighted": (mo.DIC(), mo.EPIR(), "weighted", None),
    "regret": (mo.ExPostIC(), (mo.PFIR(), mo.Interim()), "regret", None),
    "constant": ((mo.DIC(), mo.INDU()), mo.EPIR(), "ratio", None),
    "payments": (mo.PPIC(), mo.PPIR(), "ratio", None),
    "interim": (mo.SuperDIC(), mo.Interim(), "weighted", mo.Budget("9/2")),
    "prefix": ((mo.PPIC(), mo.INDU()), mo.PFIR(), "regret", mo.PaymentCap("7/2")),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_rows(tree, name):
    ic, ir, objective, subject_to = TERMS[name]
    terms = scenario_terms(ic, ir, subject_to or (), objective, "same", tree.agents)
    mine = GuaranteeTerms(terms.ic, terms.ir, terms.subject_to, terms.objective)
    optima = [Fraction(1 + 3 * k, 2) for k in range(len(tree))]
    program, twin = exact_guarantee_program(tree, optima, terms)
    assert_same(program, twin, GuaranteeModel(tree, optima, mine))


ABSORBED = mo.Scenarios([F, G, REST], [["F"], ["F", "rest"], ["F", "G", "rest"]], "9/10", absorbing=["rest"])


def test_rows_where_a_period_absorbs():
    """F is worth 1/3 + 8/3 = 3 at first best, G 1/3 + 5/6 = 7/6 a period later."""
    model = GuaranteeModel(ABSORBED, [Fraction(8, 3), Fraction(8, 3), Fraction(8, 3)])
    assert model.optima == [Fraction(8, 3), 3, 3 + Fraction(9, 10) * Fraction(7, 6)]
    goals = [row for row in model.rows() if row.name.startswith("guarantee")]
    assert [(row.entries, row.lower, row.upper) for row in goals[1:]] == [
        ([(model.worth[1][0], Fraction(1, 3)), (0, -1)], 0, None),
        ([(model.worth[2][0], 1 / Fraction(81, 20)), (0, -1)], 0, None),
    ]
    program, twin = exact_guarantee_program(ABSORBED, model.optima)
    assert_same(program, twin, model)
    certificate = certify_guarantee(ABSORBED)
    assert check_guarantee(ABSORBED, certificate) == certificate.value
    for change in ({"absorbing": ()}, {"absorbing": ("G", "rest")}):
        with pytest.raises(CertificateError, match="absorbing: other distributions"):
            check_guarantee(ABSORBED, replace(certificate, **change))
    with pytest.raises(CertificateError, match="absorbing: with such periods"):
        check_guarantee(ABSORBED, replace(certificate, objective="weighted"))


def test_what_costs_more_than_it_is_worth_has_a_first_best_of_nothing():
    tree = mo.Scenarios([F, H, REST], [["F"], ["H", "F", "rest"]], cost={"F": 2, "H": 3}, absorbing=["rest"])
    assert GuaranteeModel(tree, [Fraction(4, 3)] * 2).optima == [Fraction(4, 3), Fraction(4, 3)]


def test_rows_have_names():
    for terms, words in {
        GuaranteeTerms(): "row guarantee of scenario 'F1, F2', period 0, history number 0",
        GuaranteeTerms(objective="weighted"): "row weighted guarantee of all scenarios, period 0, history number 0",
        GuaranteeTerms(objective="regret"): "row regret of scenario 'F1, F2', period 0, history number 0",
    }.items():
        model = GuaranteeModel(scenarios(3, "1"), [Fraction(2), Fraction(3)], terms)
        rows = [row.words() for row in model.rows()]
        assert rows[-1] == words
        assert "row surplus to come of scenario 'F1', period 0, history number 0" in rows
        assert "row surplus to come of scenario 'F1, F2', period 1, history number 1" in rows
    constant = GuaranteeModel(scenarios(3, "1"), [Fraction(2), Fraction(3)], GuaranteeTerms((mo.DIC(), mo.INDU())))
    assert [row.words() for row in constant.rows() if "constant" in row.name] == [
        "row constant continuation utility of scenario 'F1, F2', period 0, history number 1"
    ]
    absorbed = GuaranteeModel(ABSORBED, [Fraction(2)] * 3)
    assert list(absorbed.rows())[-1].words() == (
        "row guarantee of scenario 'F, G, rest', which ends absorbing, period 0, history number 0"
    )


UTILITY = [
    ((mo.DIC(),), (mo.EPIR(),), ()),
    ((mo.DIC(), mo.ExPostIC(), mo.SuperDIC()), (mo.EPIR(), mo.PFIR(), mo.Interim()), ()),
    ((mo.ExPostIC(),), (mo.PFIR(), mo.Interim()), ()),
]
PAYMENT = [
    ((), (mo.EPIR(),), ()),
    ((mo.DIC(),), (), ()),
    ((mo.DIC(),), (mo.Interim(),), ()),
    ((mo.DIC(),), (mo.EPIR(), mo.PPIR()), ()),
    ((mo.DIC(),), (mo.EPIR(),), (mo.NoSubsidy(),)),
    ((mo.DIC(), mo.PPIC()), (mo.EPIR(),), ()),
]


def test_forms():
    assert [GuaranteeTerms(*asked).form(n) for asked in UTILITY for n in (1, 2)] == ["utility"] * 6
    assert [GuaranteeTerms(*asked).form(n) for asked in PAYMENT for n in (1, 2)] == ["payment"] * 12
    constant = GuaranteeTerms((mo.DIC(), mo.INDU()))
    assert [constant.form(1), constant.form(2)] == ["utility", "payment"]
    assert [constant.constant(1), constant.constant(2), GuaranteeTerms().constant(1)] == [True, False, False]


def test_an_optimum_of_nothing_is_no_measure():
    tree = scenarios(3, "1")
    with pytest.raises(CertificateError, match="optima: that of scenario 'F1' is not above 0"):
        GuaranteeModel(tree, [Fraction(0), Fraction(1)])
    assert GuaranteeModel(tree, [Fraction(1, 9), Fraction(1)]).row_count > 0


def test_who_earns():
    """Whoever can occur and values an item above its cost; a single buyer who does is enough."""
    for cost, earns in ((3, True), (4, False), (5, False), ("7/2", True)):
        assert GuaranteeModel(mo.Scenarios([F], [["F"]], cost=cost), [Fraction(1)])._earns(0) is earns
    rivals = [[{**F, "values": [0, 3]}]]
    for cost, earns in (("7/2", True), (4, False)):
        tree = mo.Scenarios([F], [["F"]], others=rivals, cost=cost)
        assert GuaranteeModel(tree, [Fraction(1)])._earns(0) is earns
    rare = {"name": "F", "values": [1, 4], "probabilities": ["999/1000", "1/1000"]}
    assert GuaranteeModel(mo.Scenarios([rare], [["F"]], cost=2), [Fraction(1)])._earns(0)


# --- claims ---


def measured(ic, ir, benchmark="same", objective="ratio"):
    tree = scenarios(3, "1")
    return tree, certify_guarantee(tree, ic, ir, objective, benchmark=benchmark)


@pytest.mark.parametrize(
    ("ic", "ir"), [((mo.ExPostIC(),), (mo.EPIR(),)), ((mo.DIC(),), (mo.PPIR(),)), ((mo.SuperDIC(),), (mo.PFIR(),))]
)
def test_revenue_under_dic_and_epir_measures_what_implies_both(ic, ir):
    tree, certificate = measured(ic, ir, "standard")
    assert certificate.benchmark == "standard"
    assert {(proof.ic, proof.ir) for proof in certificate.optima} == {((mo.DIC(),), (mo.EPIR(),))}
    assert check_guarantee(tree, certificate) == certificate.value
    for change in ({"ic": (mo.PPIC(),)}, {"ir": (mo.Interim(),)}, {"ic": ()}, {"ir": (mo.PEIR(),)}):
        with pytest.raises(CertificateError, match="benchmark: revenue under DIC and EPIR bounds"):
            check_guarantee(tree, replace(certificate, **change))
    with pytest.raises(CertificateError, match="benchmark: 'other' is not same or standard"):
        check_guarantee(tree, replace(certificate, benchmark="other"))


def test_optima_are_under_the_same_constraints():
    tree, certificate = measured((mo.DIC(), mo.INDU()), mo.PFIR())
    assert {(proof.ic, proof.ir) for proof in certificate.optima} == {((mo.DIC(), mo.INDU()), (mo.PFIR(),))}
    assert check_guarantee(tree, certificate) == certificate.value
    _, weaker = measured(mo.DIC(), mo.PFIR())
    with pytest.raises(CertificateError, match=r"is not the revenue under dic\+indu\+prefix"):
        check_guarantee(tree, replace(certificate, optima=weaker.optima))
    bare = tuple(replace(proof, ic=(), ir=()) for proof in weaker.optima)
    with pytest.raises(CertificateError, match=r"is not the revenue under dic\+prefix$"):
        check_guarantee(tree, replace(weaker, optima=bare))
    with pytest.raises(CertificateError, match="is not the revenue under nothing"):
        check_guarantee(tree, replace(weaker, ic=(), ir=()))


@pytest.mark.parametrize("objective", ["mean", "", "guarantee"])
def test_objectives_that_are_not_known(objective):
    tree, certificate = measured(mo.DIC(), mo.EPIR())
    with pytest.raises(CertificateError, match="is not ratio, weighted or regret"):
        check_guarantee(tree, replace(certificate, objective=objective))


@pytest.mark.parametrize("objective", ["ratio", "weighted", "regret"])
def test_a_value_that_is_not_proved(objective):
    tree, certificate = measured(mo.DIC(), mo.EPIR(), objective=objective)
    value = check_guarantee(tree, certificate)
    assert value == certificate.value > 0
    for wrong in (-value, value + Fraction(1, 10**9), 2 * value, value - Fraction(1, 10**9), Fraction(0)):
        with pytest.raises(CertificateError, match="value: the primal is worth"):
            check_guarantee(tree, replace(certificate, value=wrong))


def test_an_optimum_without_bound_measures_nothing():
    tree, certificate = measured((mo.DIC(),), (mo.EPIR(),))
    free = tuple(certify(one, ir=None) for one in tree.environments)
    with pytest.raises(CertificateError, match="optima: that of scenario 'F1' has no value"):
        check_guarantee(tree, replace(certificate, ir=(), optima=free))


def test_payments_are_counted():
    """A row a constraint, buyer and node: two nodes, then six more, and two periods."""
    tree = scenarios(3, "1")
    certificate = certify_guarantee(tree, subject_to=(mo.NoSubsidy(), mo.PaymentCap(100)))
    base = sum(independent_entries(one, "payment", (mo.DIC(),)) for one in tree.environments)
    most = 2 * (base + 2 * (2 + 2 * 3 * 2))
    assert check_guarantee(tree, certificate, most=most) == certificate.value
    with pytest.raises(CertificateError, match=f"about {most} rows"):
        check_guarantee(tree, certificate, most=most - 1)
