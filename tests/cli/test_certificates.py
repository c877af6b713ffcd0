"""Exact optima and their proofs from the command line."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.solve import highs
from mechopt.solve.solution import Status, judged

SIX = "mirrokni-2020/two-values-six-periods"  # 947/128
MAXIMIN = "mirrokni-2020/maximin-equal-revenue-8"  # 8/9


def test_solve_exact_prints_the_fraction_and_its_proof_checks(mechopt, tmp_path):
    file = tmp_path / "proof.json"
    status, out, _ = mechopt("solve", SIX, "--exact", "--proof", file, "--json", "--check")
    assert status == 0
    document = json.loads(out)
    assert document["exact"] == "947/128"
    assert document["bound"] == {"lower": 7.3984375, "upper": 7.3984375, "method": "exact certificate"}
    status, out, _ = mechopt("certificate", "check", SIX, file)
    assert status == 0
    assert "proved: the largest revenue under incentive constraints dic and participation" in out
    assert "is 947/128 = 7.3984375\n" in out
    status, out, _ = mechopt("solve", SIX, "--exact")
    assert "947/128 (proved)" in out


def test_a_proof_of_another_model_or_a_changed_one_is_rejected(mechopt, tmp_path):
    file = tmp_path / "proof.json"
    assert mechopt("certificate", "make", SIX, file)[0] == 0
    status, _, err = mechopt("certificate", "check", "mirrokni-2020/two-values-five-periods", file)
    assert status == 1
    assert "fingerprint" in err
    file.write_text(file.read_text().replace('"947"', '"948"').replace("947/128", "948/128"))
    status, _, err = mechopt("certificate", "check", SIX, file)
    assert status == 1
    assert str(file) in err or "digest" in err


def test_proof_of_a_guarantee(mechopt, tmp_path):
    file = tmp_path / "guarantee.json"
    assert mechopt("certificate", "make", MAXIMIN, file)[0] == 0
    status, out, _ = mechopt("certificate", "check", MAXIMIN, file, "--json")
    assert status == 0
    document = json.loads(out)
    assert (document["proved"], document["value"], document["exact"]) == (True, 8 / 9, "8/9")
    assert document["statement"].startswith("the best guarantee of a mechanism that does not know the future")
    status, _, err = mechopt("certificate", "check", SIX, file)
    assert status == 2
    assert "kind" in err


def test_no_bound_is_proved_too(mechopt, tmp_path):
    file = tmp_path / "ray.json"
    assert mechopt("certificate", "make", SIX, file, "--ir", "none")[0] == 0
    status, out, _ = mechopt("certificate", "check", SIX, file)
    assert status == 0
    assert "proved: revenue has no bound under incentive constraints dic and WITHOUT participation constraints" in out


@pytest.mark.parametrize("form", ["promise", "utility", "payment"])
def test_where_the_solver_fails_value_and_mechanism_are_the_certificate_s(form, monkeypatch):
    """Values up to 5, so that the program's unit of money is 4; the solver's answer is replaced by nothing at all."""
    env = mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/4", "1/4"], 3)
    best = mo.optimum(env, form=form)
    solve = highs.solve_program

    def failing(program, *arguments, **options):
        found = solve(program, *arguments, **options)
        lost = judged(program, 0 * found.primal, 0 * found.dual, Status.INACCURATE, "simplex", 0)
        return replace(lost, basis=found.basis)

    monkeypatch.setattr(highs, "solve_program", failing)
    assert mo.optimum(env, form=form).status == "inaccurate"
    proved = mo.optimum(env, form=form, exact=True)
    assert (proved.status, proved.value) == ("optimal", float(proved.exact))
    assert proved.value == pytest.approx(best.value, abs=1e-9)
    assert proved.mechanism.revenue == pytest.approx(proved.value, abs=1e-9)
    assert mo.verify(proved.mechanism).holds


def test_exact_in_python():
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 4), exact=True)
    assert best.exact == Fraction(153, 32)
    assert mo.formats.check_certificate(best.mechanism.environment, best.certificate) == best.exact
    assert mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 4)).exact is None
    with pytest.raises(mo.InputError, match="only sum to 1 within rounding"):
        mo.optimum(mo.IndependentTypes.iid([1, 2], [0.1 + 0.2, 0.7 - 1e-16], 2), exact=True)
