"""INDU in the best guarantee: the program by definition, no loss at two periods, the loss at three, exact proofs."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

import mechopt as mo
from mechopt.proof.certificate import CertificateError, load_certificate
from mechopt.proof.check import check_guarantee, rebuilt
from mechopt.proof.words import statement
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.solve.raw_maximin import Reference, combine
from tests.solve.test_maximin import any_distributions, costly_distributions, scenario_trees

LOSES = mo.load("mirrokni-2020/constant-continuation-loses")
ALL = Fraction(2218496934504614019536000, 2368399537192862759852387)
CONSTANT = Fraction(2092937315824277779136000, 2242883299694803461227387)
TWO_PERIODS = ("one period", "one or two", "fork", "fork and stop")


class ConstantReference(Reference):
    """The program by definition with continuation utility that no report moves, in every scenario."""

    def __init__(self, scenarios):
        super().__init__(scenarios)
        for s in range(len(scenarios)):
            for t in range(self.periods(s)):
                for history, k in product(self.histories(s, t), self.types(s, t)):
                    later, first = (self.later(s, (*history, report)) for report in (k, 0))
                    self.rows += [combine([(1, later), (-1, first)]), combine([(-1, later), (1, first)])]

    def later(self, s, node):
        return combine([(1, self.gains(s, node[:-1], node[-1], node[-1])), (-1, self.now(s, node, node[-1]))])


@pytest.mark.parametrize(
    "drawn",
    [pytest.param(any_distributions(), id="any"), pytest.param(costly_distributions(4), id="costly")],
)
def test_equals_the_program_by_definition(drawn):
    @settings(max_examples=25, deadline=None)
    @given(scenario_trees(drawn))
    def check(scenarios):
        best = mo.maximin(scenarios, ic="dic+indu")
        assert best.ratio == pytest.approx(ConstantReference(scenarios).guarantee(), abs=1e-8)
        report = mo.verify(best.rule, [mo.NonClairvoyant(), mo.DIC(), mo.INDU(), mo.PPIC(), mo.EPIR()])
        assert report.holds, report

    check()


@settings(max_examples=50, deadline=None)
@given(scenario_trees(costly_distributions(), TWO_PERIODS))
def test_two_periods_lose_nothing(scenarios):
    """Increments of least size over the scenarios, constants on top: concavity of the last period does the rest."""
    assert mo.maximin(scenarios, ic="dic+indu").ratio == pytest.approx(mo.maximin(scenarios).ratio, abs=1e-8)


def test_three_periods_lose():
    for ic, value in ((None, ALL), (mo.INDU(), CONSTANT)):
        asked = [mo.DIC()] if ic is None else [mo.DIC(), ic]
        proof = certify_guarantee(LOSES, asked)
        assert proof.value == value
        assert check_guarantee(LOSES, proof) == value
        assert mo.maximin(LOSES, ic=asked).ratio == pytest.approx(float(value), abs=1e-10)
    assert CONSTANT < ALL
    assert ConstantReference(LOSES).guarantee() == pytest.approx(float(CONSTANT), abs=1e-8)
    assert Reference(LOSES).guarantee() == pytest.approx(float(ALL), abs=1e-8)


def test_a_proof_says_under_what(tmp_path):
    proof = certify_guarantee(LOSES, "ppic+indu")
    assert proof.ic == (mo.DIC(), mo.INDU())
    proof.save(tmp_path / "proof.json")
    again = load_certificate(tmp_path / "proof.json")
    assert "the mechanism under dic, indu and epir, that revenue under dic and epir, is 2092937315824" in statement(
        again
    )
    assert rebuilt(LOSES, again).row_count == 130
    assert (again.ic, again.value, check_guarantee(LOSES, again)) == (proof.ic, CONSTANT, CONSTANT)
    with pytest.raises(CertificateError):  # it is not the best of all mechanisms
        check_guarantee(LOSES, replace(proof, ic=(mo.DIC(),)))
    with pytest.raises(CertificateError):  # nor is that of all one of these
        check_guarantee(LOSES, replace(certify_guarantee(LOSES), ic=(mo.DIC(), mo.INDU())))
    with pytest.raises(CertificateError, match="optima: that of scenario 'a' is not the revenue under ppic"):
        check_guarantee(LOSES, replace(proof, ic=(mo.PPIC(),)))
    plain = certify_guarantee(LOSES)
    plain.save(tmp_path / "plain.json")
    assert '"ic":["dic"],"ir"' in (text := (tmp_path / "plain.json").read_text())  # of the optima alone
    assert text.count('"ic"') == 3


def test_sizes_are_predicted_exactly():
    from mechopt.lp.scenarios.plan import ScenarioPlan
    from mechopt.lp.scenarios.program import compile_scenarios
    from mechopt.lp.scenarios.terms import scenario_terms

    plan = ScenarioPlan(LOSES, terms=scenario_terms("dic+indu"))
    program, _ = compile_scenarios(plan, [1.0, 1.0, 1.0])
    assert program.size == (plan.size.rows, plan.size.columns, plan.size.nonzeros)
    described = [program.describe_row(r) for r in range(plan.size.rows)]
    assert sum("constant continuation utility" in words for words in described) == 13  # 2 after a, twice; 3 * 3 after b


def test_increments_are_those_of_the_scenario_that_ends():
    rule = mo.maximin(LOSES, ic="dic+indu").rule
    payment = [rule.mechanism(s).payment[0] for s in range(3)]
    assert np.array_equal(payment[0], payment[1])
    assert np.array_equal(payment[1], payment[2])
