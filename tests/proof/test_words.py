"""What the checker calls rows and columns: whoever reads a refusal finds the place."""

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.independent import rebuild
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.proof.promised.certificate import PromisedCertificate
from mechopt.proof.rows import Row, whole
from mechopt.proof.scenarios import GuaranteeModel
from mechopt.proof.words import goal, statement
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.persistent_instances import battaglini
from tests.proof.test_rows import TWO
from tests.proofs import coin
from tests.solve.exact.test_guarantee import scenarios

REVENUE = Fraction(1), Fraction(0), Fraction(0)


def independent():
    """Two buyers with 1, 6 and 18 histories: 50 columns S, 48 x, 14 R."""
    return rebuild(TWO, "payment", (mo.PPIC(),), (mo.PPIR(),), REVENUE)


def persistent():
    """2 and 4 nodes with two actions each: 12 weights, 6 payments; 2 and 4 values; 2 sums."""
    return rebuild_persistent(battaglini(2), "sequence", (mo.BayesianIC(),), (mo.EPIR(),), REVENUE)


def guarantee():
    return GuaranteeModel(scenarios(3, "1"), [Fraction(2), Fraction(3)])


COLUMNS = {
    independent: {
        0: "lifetime utility 0 of agent 0, number 0",
        1: "lifetime utility 0 of agent 1, number 0",
        2: "lifetime utility 1 of agent 0, number 0",
        13: "lifetime utility 1 of agent 1, number 5",
        49: "lifetime utility 2 of agent 1, number 17",
        50: "allocation 0 of agent 0, number 0",
        97: "allocation 1 of agent 1, number 17",
        98: "realised utility 0 of agent 0, number 0",
        111: "realised utility 1 of agent 1, number 5",
    },
    persistent: {
        0: "allocation 0, number 0",
        3: "allocation 0, number 3",
        11: "allocation 1, number 7",
        13: "payment 0, number 1",
        14: "payment 1, number 0",
        19: "interim value 0 of agent 0, number 1",
        20: "interim value 1 of agent 0, number 0",
        25: "realised utility 1, number 1",
    },
    guarantee: {
        0: "the guarantee, number 0",
        1: "scenario 'F1', lifetime utility 0, number 0",
        3: "scenario 'F1', lifetime utility 1, number 1",
        4: "scenario 'F1', surplus to come 0, number 0",
        6: "scenario 'F1', allocation 0, number 1",
        7: "scenario 'F1, F2', lifetime utility 0, number 0",
        24: "scenario 'F1, F2', allocation 1, number 5",
    },
}


@pytest.mark.parametrize("make", COLUMNS)
def test_columns_have_names(make):
    model = make()
    assert {column: model.words(column) for column in COLUMNS[make]} == {
        column: f"column {column}: {words}" for column, words in COLUMNS[make].items()
    }


def test_rows_have_names():
    rows = list(independent().rows())
    assert rows[0].words() == "row promise, agent 0, period 0, history number 0"
    assert Row("supply", (1, None, 4, 14), [], None, 1).words() == "row supply, period 1, history number 4, [14]"
    assert Row("dic", (0, 1, 2), [], 0, None).words() == "row dic, agent 1, period 0, history number 2"


def test_rows_of_one_history_say_that_it_is_the_first():
    env = replace(TWO, outside=[[[1, 2], [1, 1, 1]], [[0, 1, 2], [1]]])
    said = set()
    for ir in (mo.Interim(), mo.ExAnteIR(), mo.EPIR()):
        number = env if ir != mo.EPIR() else replace(TWO, outside=[1, 2])
        rows = rebuild(number, "payment", (), (ir,), REVENUE, (mo.ExAnteBudgetBalance(),)).rows()
        said |= {row.words() for row in rows}
    assert "row interim, agent 1, period 0, history number 0, [2]" in said
    assert "row ex-ante, agent 1, period 0, history number 0" in said
    assert "row epir, agent 1, period 1, history number 5, [2]" in said
    assert "row ex-ante-budget-balance, period 0, history number 0" in said
    asked = "sequence", (mo.BayesianIC(),), (mo.ExAnteIR(),), REVENUE, (mo.ExAnteBudgetBalance(),)
    said = [row.words() for row in rebuild_persistent(battaglini(2), *asked).rows()]
    assert "row ex-ante, agent 0, period 0, history number 0" in said
    assert said[-1] == "row ex-ante-budget-balance, period 0, history number 0"


def test_whole_numbers_are_whole():
    assert type(whole(Fraction(6, 2))) is int and whole(Fraction(6, 2)) == 3
    assert type(whole(Fraction(6, 4))) is Fraction and whole(Fraction(6, 4)) == Fraction(3, 2)
    assert whole(Fraction(0)) == 0 and whole(5) == 5


def test_a_guarantee_says_under_which_constraints():
    tree = scenarios(3, "1")
    plain, constant = certify_guarantee(tree), certify_guarantee(tree, (mo.DIC(), mo.INDU()))
    start = (
        "the best guarantee of a mechanism that does not know the future, as a share of the largest revenue in every "
    )
    assert statement(plain).startswith(
        f"{start}scenario, both under incentive constraints dic and participation constraints epir, is {plain.value} = "
    )
    assert statement(constant).startswith(
        f"{start}scenario, the mechanism under dic, indu and epir, that revenue under dic and epir, is {constant.value}"
    )
    assert goal(plain) == "guarantee"


def test_a_bracket_says_both_ends_and_an_optimum_one():
    ends = Fraction(7, 2), Fraction(15, 4)
    bracket = PromisedCertificate("0" * 64, (mo.DIC(),), (mo.EPIR(),), *ends, (), ())
    under = "the largest revenue under incentive constraints dic and participation constraints epir is"
    assert statement(bracket) == f"{under} at least 7/2 = 3.5 and at most 15/4 = 3.75"
    assert statement(replace(bracket, upper=ends[0])) == f"{under} 7/2 = 3.5"


def test_an_objective_of_nothing_has_a_name():
    assert goal(certify(coin(1), objective=0 * mo.Revenue())) == "0 revenue"
    assert goal(certify(coin(1), objective=2 * mo.Welfare())) == "2 welfare"


def test_what_a_guarantee_is_of_is_said():
    certificate, dic, epir = certify_guarantee(scenarios(2, "1")), (mo.DIC(),), (mo.EPIR(),)
    said = {
        (dic, epir, (), "same"): "both under incentive constraints dic and participation constraints epir",
        ((mo.DIC(), mo.INDU()), epir, (), "same"): "the mechanism under dic, indu and epir, that revenue under dic",
        ((mo.ExPostIC(),), epir, (), "same"): "both under ex-post, epir, is",
        ((mo.ExPostIC(),), epir, (), "standard"): "the mechanism under ex-post, epir, that revenue under dic and epir",
        (dic, epir, (mo.NoSubsidy(),), "same"): "both under dic, epir, no-subsidy, is",
        (dic, (mo.PFIR(),), (), "same"): f"both under dic, {mo.PFIR().name}, is",
        ((mo.DIC(), mo.INDU()), (mo.PFIR(),), (), "same"): f"both under dic, indu, {mo.PFIR().name}, is",
        ((), (), (), "same"): "both under no constraints, is",
    }
    for (ic, ir, subject_to, benchmark), words in said.items():
        claim = replace(certificate, ic=ic, ir=ir, subject_to=subject_to, benchmark=benchmark)
        assert words in statement(claim), (ic, ir)
        assert "takes out everything" not in statement(claim)
    taken = statement(replace(certificate, absorbing=("rest", "end")))
    assert "both under incentive constraints dic" in taken
    assert (
        "(surplus and first best of the periods before, where rest, end takes out everything at the end), is" in taken
    )


def test_that_there_is_no_mechanism_is_said_and_nothing_else():
    proof = certify(coin(2), ir=None)
    assert statement(proof).startswith("revenue has no bound under incentive constraints dic")
    assert statement(replace(proof, status="infeasible")).startswith(
        "there is no mechanism under incentive constraints"
    )
    assert statement(certify(coin(2))).startswith("the largest revenue under")
