"""Exact certificates: known fractions, agreement with floats, files, and their checker."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.proof.certificate import SparseVector, digest
from mechopt.proof.check import check_certificate
from mechopt.solve.exact.certify import Certificate, CertificateError, certify, load_certificate
from tests.instances import environments, incentives, participations
from tests.proofs import FORMS, HALF, coin, equal_revenue, generic, other_text, written

# {1, 2} at 1/2 each, two periods, EPIR: owing the buyer w in the last period leaves welfare G(w) = 1 + w in it, up to
# 3/2 at w = 1/2; the first sells to the high type, and to the low type with x, which owes the high type x. Revenue:
# 1 + x/2 + (G(0) + G(x))/2 - x/2 = 2 + min(x, 1/2)/2, at most 9/4. The later ones, and four types over four periods,
# are fractions that other exact solvers found in the form with payments.
# Equal revenue, K values 2^i with P(>= 2^i) = 2^(1-i): each static auction earns 2, the mean is K + 1. Revenue is at
# most the mean of the first value plus the second auction's 2 (ER2: 3 + 2, ER3: 4 + 2), which is reached where the
# second support is long enough: 2-3 and 3-7. With interim participation a fee takes the whole surplus of the second
# period and the first auction earns 2: 2 + K_2 + 1, and 1 + 3/2 (T - 1) for {1, 2}.
PROVED = {
    "coin-one-period": (coin(1), mo.EPIR(), Fraction(1)),
    "coin-two-periods": (coin(2), mo.EPIR(), Fraction(9, 4)),
    "coin-three-periods": (coin(3), mo.EPIR(), Fraction(7, 2)),
    "coin-four-periods": (coin(4), mo.EPIR(), Fraction(153, 32)),
    "coin-five-periods": (coin(5), mo.EPIR(), Fraction(779, 128)),
    "coin-six-periods": (coin(6), mo.EPIR(), Fraction(947, 128)),
    "coin-four-periods-interim": (coin(4), mo.Interim(), Fraction(11, 2)),  # 1.5 T - 0.5
    "equal-revenue-2-2": (equal_revenue(2, 2), mo.EPIR(), Fraction(9, 2)),
    "equal-revenue-2-3": (equal_revenue(2, 3), mo.EPIR(), Fraction(5)),
    "equal-revenue-3-3": (equal_revenue(3, 3), mo.EPIR(), Fraction(5)),
    "equal-revenue-3-7": (equal_revenue(3, 7), mo.EPIR(), Fraction(6)),
    "equal-revenue-2-2-interim": (equal_revenue(2, 2), mo.Interim(), Fraction(5)),
    "equal-revenue-3-7-interim": (equal_revenue(3, 7), mo.Interim(), Fraction(10)),
    "four-types-four-periods": (generic(4, 4), mo.EPIR(), Fraction(39180527585, 4730963524)),
}


@pytest.mark.parametrize("name", PROVED)
def test_every_form_proves_the_known_fraction(name):
    env, ir, expected = PROVED[name]
    for form in FORMS:
        certificate = certify(env, mo.DIC(), ir, form=form)
        assert certificate.value == expected
        assert check_certificate(env, certificate) == expected


@settings(max_examples=60, deadline=None)
@given(environments(max_buyers=2, max_periods=2), incentives, participations, st.sampled_from(FORMS))
def test_certificates_hold_and_agree_with_the_float_bracket(env, ic, ir, form):
    try:
        best = mo.optimum(env, ic, ir, form=form)
    except mo.InputError:
        return
    certificate = certify(env, ic, ir, form=form)
    value = check_certificate(env, certificate)
    if certificate.status == "unbounded":
        assert value is None
        assert best.status != "optimal"
    else:
        assert value == certificate.value
        assert float(value) == pytest.approx(best.value, rel=1e-8, abs=1e-8)


def test_currency_and_discount_are_exact():
    values, chances = [1, 2, 4], ["1/3", "1/3", "1/3"]
    env = mo.IndependentTypes.iid(values, chances, 3, cost="1/7", discount="9/10")
    dear = mo.IndependentTypes.iid([Fraction(1000 * v, 3) for v in values], chances, 3, 1, "1000/21", "9/10")
    for form in FORMS:
        value = certify(env, form=form).value
        assert certify(dear, form=form).value == value * Fraction(1000, 3)
        assert check_certificate(env, certify(env, form=form)) == value


def test_tenths_in_the_objective_are_tenths():
    welfare, revenue = certify(coin(2), objective=mo.Welfare()).value, certify(coin(2)).value
    mixed = certify(coin(2), objective=0.1 * mo.Welfare())
    assert mixed.value == welfare / 10 == Fraction(3, 10)  # all is sold, mean 3/2 a period
    assert check_certificate(coin(2), mixed) == Fraction(3, 10)
    assert revenue == Fraction(9, 4)


def test_probabilities_of_one_in_a_billion():
    chances = [Fraction(1, 10**9), Fraction(1, 3), Fraction(2, 3) - Fraction(1, 10**9)]
    env = mo.IndependentTypes.iid([1, 2, 3], chances, 3)
    values = {form: certify(env, form=form) for form in FORMS}
    assert len({c.value for c in values.values()}) == 1
    for certificate in values.values():
        check_certificate(env, certificate)


@pytest.mark.parametrize("sign", [-1, 0, 1], ids=["below", "tie", "above"])
def test_near_ties_are_decided_exactly(sign):
    """Price 1 earns 1, price 2 earns twice P(2) = 1/2 +- 10^-13: no float tolerance tells them apart."""
    chance = Fraction(1, 2) + sign * Fraction(1, 10**13)
    env = mo.IndependentTypes.iid([1, 2], [1 - chance, chance], 1)
    for form in FORMS:
        certificate = certify(env, form=form)
        assert certificate.value == max(1, 2 * chance)
        assert check_certificate(env, certificate) == certificate.value


@pytest.mark.parametrize("form", FORMS)
def test_without_participation_a_direction_is_the_proof(form):
    certificate = certify(coin(2), mo.DIC(), None, form=form)
    assert certificate.status == "unbounded"
    assert certificate.value is None
    assert check_certificate(coin(2), certificate) is None
    for change in ({}, {0: Fraction(1)}):  # no direction, and one along which S at the root grows: it is a cost
        wrong = replace(certificate, primal=SparseVector.of([change.get(0, 0)], 1))
        with pytest.raises(CertificateError, match="primal"):
            check_certificate(coin(2), wrong)


def test_unbounded_where_the_solver_says_infeasible():
    values = [[[1, 3], [0, 2, 5]], [[2, 3, 7], [1, 4]]]
    chances = [[["1/3", "2/3"], ["1/5", 0, "4/5"]], [["1/4", "1/2", "1/4"], HALF]]
    env = mo.IndependentTypes(values, chances, cost=[1, 0], discount="1/2")
    certificate = certify(env, mo.PPIC(), None, mo.Revenue() + 0.3 * mo.Utility())
    assert certificate.status == "unbounded"
    assert check_certificate(env, certificate) is None


def test_floats_that_do_not_sum_to_one_exactly_are_refused():
    env = mo.IndependentTypes.iid([1, 2], [0.1 + 0.2, 1 - (0.1 + 0.2)], 1)
    assert env.exact is None
    with pytest.raises(mo.InputError, match="exact"):
        certify(env)


# --- files ---


@pytest.mark.parametrize("form", FORMS)
def test_files_come_back_the_same(tmp_path, form):
    certificate = certify(coin(3), form=form)
    path = written(tmp_path, certificate)
    assert load_certificate(path) == certificate
    content = json.loads(path.read_text())
    assert all(isinstance(n, str) for n in content["primal"]["numerators"])
    assert content["value"] == "7/2"


def mutations(content):
    """Every kind of entry changed, one at a time: (where, changed content)."""

    def changed(where, new):
        copy = json.loads(json.dumps(content))
        place = copy
        for key in where[:-1]:
            place = place[key]
        place[where[-1]] = new
        return ".".join(map(str, where)), copy

    for key, new in {
        "fingerprint": other_text(content["fingerprint"]),
        "status": "unbounded",
        "form": "payment",
        "ic": ["super-dic"],
        "ir": ["interim"],
        "value": "15/4",
    }.items():
        yield changed((key,), new)
    for name, new in product(content["objective"], ["2", "-1/3"]):
        yield changed(("objective", name), new)
    for name in ("primal", "dual"):
        vector = content[name]
        yield changed((name, "denominator"), str(int(vector["denominator"]) + 1))
        for j, number in enumerate(vector["numerators"]):
            yield changed((name, "numerators", j), str(int(number) + 1 or 2))
            yield changed((name, "numerators", j), str(-int(number)))
        for j in range(len(vector["index"])):
            shifted = vector["index"][j] + 1
            if shifted not in vector["index"]:
                yield changed((name, "index", j), shifted)
        yield changed((name, "index", len(vector["index"]) - 1), 10**9)
        for j in range(len(vector["index"])):
            short = {k: v[:j] + v[j + 1 :] if isinstance(v, list) else v for k, v in vector.items()}
            yield changed((name,), short)


def test_any_change_of_a_file_is_noticed(tmp_path):
    path = written(tmp_path, certify(coin(2)))
    content = json.loads(path.read_text())
    names = []
    for name, changed in [*mutations(content), ("digest", content | {"digest": other_text(content["digest"])})]:
        path.write_text(json.dumps(changed))
        with pytest.raises(CertificateError):
            load_certificate(path)
        names.append(name.split(".")[0])
    assert set(names) == set(content) - {"format"}


def test_changes_that_mend_the_digest_prove_nothing(tmp_path):
    """Who writes a fitting digest still needs a proof; degenerate entries may move and prove the same."""
    env, expected = coin(2), Fraction(9, 4)
    path = written(tmp_path, certify(env))
    content = json.loads(path.read_text())
    tried = rejected = 0
    for name, changed in mutations(content):
        del changed["digest"]
        path.write_text(json.dumps(changed | {"digest": digest(changed)}))
        tried += 1
        try:
            assert check_certificate(env, load_certificate(path)) == expected, name
        except CertificateError:
            rejected += 1
    assert rejected > 0.9 * tried


WRONG = {
    "a-higher-value": ({"value": Fraction(5, 2)}, "value: the primal is worth 9/4"),
    "another-form": ({"form": "promise"}, "primal"),
    "an-unknown-status": ({"status": "best"}, "status: 'best' with value 9/4 claims nothing known"),
    "a-claim-of-no-mechanism": ({"status": "infeasible"}, "value: where no mechanism keeps everything"),
    "a-claim-of-no-bound": ({"status": "unbounded"}, "value"),
    "no-multipliers": ({"dual": SparseVector(1, (), ())}, "dual: it proves the bound 3"),
    "no-mechanism": ({"primal": SparseVector(1, (), ())}, "worth 0"),
    "another-objective": ({"objective": mo.Welfare()}, "dual: reduced cost of column 0"),
    "constraints-that-the-form-cannot-say": ({"ic": (mo.PPIC(),)}, "form"),
    "participation-as-an-incentive": ({"ic": (mo.DIC(), mo.EPIR()), "ir": ()}, "wrong side"),
    "an-entry-beyond-the-program": ({"primal": SparseVector(1, (999,), (1,))}, "primal: there is no entry 999"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_says_what_is_wrong(name):
    change, words = WRONG[name]
    with pytest.raises(CertificateError, match=words):
        check_certificate(coin(2), replace(certify(coin(2)), **change))


def test_a_certificate_belongs_to_its_environment():
    with pytest.raises(CertificateError, match="another environment"):
        check_certificate(coin(3), certify(coin(2)))


@pytest.mark.parametrize("form", FORMS)
def test_multipliers_and_columns_of_another_scale_are_refused(form):
    certificate = certify(generic(3, 2), form=form)
    primal, dual = certificate.primal, certificate.dual
    doubled = replace(primal, numerators=tuple(2 * n for n in primal.numerators))
    with pytest.raises(CertificateError, match="primal"):
        check_certificate(generic(3, 2), replace(certificate, primal=doubled))
    halved = replace(dual, denominator=2 * dual.denominator)
    with pytest.raises(CertificateError, match="dual"):
        check_certificate(generic(3, 2), replace(certificate, dual=halved))


DAMAGED = {
    "empty": "",
    "not-json": "{",
    "a-list": "[]",
    "no-keys": '{"format": "mechopt certificate 1"}',
    "a-huge-power": '{"format": "mechopt guarantee certificate 1", "fingerprint": "", "value": "1e999999999"}',
    "another-format": '{"format": "mechopt certificate 0"}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / "proof.json"
    path.write_text(DAMAGED[name])
    with pytest.raises(CertificateError, match=r"proof\.json"):
        load_certificate(path)
    with pytest.raises(CertificateError, match="cannot read"):
        load_certificate(tmp_path / "missing.json")


def test_the_checker_shares_nothing_with_programs_and_solver():
    code = "import sys, mechopt.proof.check; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "mechopt.proof.check" in loaded
    for module in (
        "mechopt.lp",
        "mechopt.solve.highs",
        "mechopt.solve.exact",
        "mechopt.histories.reports",
        "highspy",
        "scipy",
    ):
        assert f"'{module}" not in loaded


def test_vectors_are_in_lowest_terms():
    vector = SparseVector.of([0, 4, -6], 10)
    assert vector == SparseVector(5, (1, 2), (2, -3))
    assert vector.entries == {1: Fraction(2, 5), 2: Fraction(-3, 5)}
    assert isinstance(certify(coin(1)), Certificate)


@pytest.mark.slow
def test_four_types_eight_periods_is_certified():
    env = generic(4, 8)
    certificate = certify(env)
    value = check_certificate(env, certificate)
    assert value == certificate.value
    # The optimal mechanisms of three and of five periods, one after the other, satisfy DIC and EPIR.
    assert value > certify(generic(4, 3)).value + certify(generic(4, 5)).value
    assert float(value) < env.first_best
