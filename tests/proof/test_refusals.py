"""What the checker refuses before it computes (constraints that it does not define, sizes, files), and what it says."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest

import mechopt as mo
from mechopt.core.numbers import to_exact
from mechopt.lp.independent.plan import plan
from mechopt.lp.persistent.plan import persistent_plan
from mechopt.mechanism.constraints import (
    ALL_CONSTRAINTS,
    INDEPENDENT_CONSTRAINTS,
    PERSISTENT_CONSTRAINTS,
    UNMOVED_CONSTRAINTS,
    closure,
)
from mechopt.proof.check import check_certificate, check_guarantee
from mechopt.proof.constraints import INDEPENDENT, PERSISTENT
from mechopt.proof.independent import rebuild
from mechopt.proof.orbits import unfit
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.proof.persistent.tree import PersistentProcess
from mechopt.proof.size import independent_entries, persistent_entries
from mechopt.proof.words import statement
from mechopt.solve import highs
from mechopt.solve.exact.certify import CertificateError, certify, load_certificate
from mechopt.solve.exact.guarantee import certify_guarantee
from mechopt.solve.exact.lifting import ExactLimitError
from mechopt.solve.solution import Status
from tests.hard_instances import hard_instance
from tests.interdependent_instances import random_environment
from tests.persistent_exact import COMBINATIONS, tiny
from tests.persistent_instances import battaglini
from tests.proofs import coin, written
from tests.solve.exact.test_guarantee import scenarios

# --- constraints ---

UNDEFINED = {
    "participation-of-persistent-types": (
        coin(2),
        {"ir": (mo.EPIR(), mo.PeriodicExPostIR())},
        "ir: constraint 'period",
    ),
    "an-incentive-of-persistent-types": (coin(2), {"ic": (mo.AdjacentIC(),)}, "ic: constraint 'adjacent' is not def"),
    "an-incentive-beside-one-that-is-defined": (coin(2), {"ic": (mo.DIC(), mo.BayesianIC())}, "'bayesian' is not"),
    "an-incentive-of-independent-types": (battaglini(2), {"ic": (mo.DIC(),)}, "ic: constraint 'dic' is not defined"),
    "participation-of-independent-types": (battaglini(2), {"ir": (mo.PEIR(),)}, "'per-period-expected' is not"),
    "one-twice": (coin(2), {"ic": (mo.DIC(), mo.DIC())}, "ic: dic, dic: each constraint stands once"),
    "another-order": (coin(2), {"ic": (mo.PPIC(), mo.DIC())}, "the library's order"),
    "two-ideas-of-reports": (
        battaglini(2),
        {"ic": (mo.BayesianIC("own"), mo.AdjacentIC())},
        "bayesian-own with adjacent",
    ),
}


@pytest.mark.parametrize("name", UNDEFINED)
def test_constraints_that_are_not_defined_for_the_kind_are_refused(name):
    env, change, words = UNDEFINED[name]
    with pytest.raises(CertificateError, match=words):
        check_certificate(env, replace(certify(env), **change))


WHERE_TYPES_PERSIST = tuple(c for c in ALL_CONSTRAINTS if c in (*PERSISTENT_CONSTRAINTS, *UNMOVED_CONSTRAINTS))


@pytest.mark.parametrize(
    ("table", "known"), [(INDEPENDENT, INDEPENDENT_CONSTRAINTS), (PERSISTENT, WHERE_TYPES_PERSIST)]
)
def test_the_checkers_table_agrees_with_the_librarys(table, known):
    """The two are written apart: kinds, order, and everything that up to four constraints imply."""
    assert (*table.ic, *table.ir) == known
    for count in range(5):
        for given in combinations(known, count):
            assert table.closure(given) == closure(given) & set(known)


# --- what a form says nothing of ---


def made_for(env, other, form):
    """A proof about one environment that says it is about another."""
    proof = mo.optimum(env, exact=True).certificate if form == "promised" else certify(env, form=form)
    return replace(proof, fingerprint=other.fingerprint)


TERMS = {
    "slots": {"slots": ["1/2"]},
    "outside": {"outside": [1]},
    "discounts": {"discounts": ["1/3"]},
    "seller_values": {"seller_values": [[[1, 2], [3, 1]]]},
}


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("form", ["promise", "promised", "utility", "payment"])
def test_what_a_form_says_nothing_of_is_refused(form, terms):
    """With half an item a period 9/8 can be earned; proofs by promises of 9/4 were accepted, as if it were a whole."""
    env = coin(2)
    other = replace(env, **TERMS[terms])
    assert mo.optimum(other, exact=True).exact != Fraction(9, 4)
    check_certificate(env, made_for(env, env, form))
    with pytest.raises(CertificateError):
        check_certificate(other, made_for(env, other, form))


@pytest.mark.parametrize("terms", ["outside", "discounts"])
@pytest.mark.parametrize("form", ["promise", "utility"])
def test_forms_without_payments_have_no_outside_options_and_one_discount(form, terms):
    env = coin(2)
    other = replace(env, **TERMS[terms])
    with pytest.raises(CertificateError, match=f"form: '{form}' has no outside options and one discount for all"):
        check_certificate(other, made_for(env, other, form))


def test_half_an_item_is_not_promised():
    env = coin(2)
    other = replace(env, slots=["1/2"])
    for form, words in (("promise", "form: 'promise' has no slots"), ("promised", "fingerprint: promises are not for")):
        with pytest.raises(CertificateError, match=words):
            check_certificate(other, made_for(env, other, form))


@pytest.mark.parametrize("terms", [{"slots": [1, 1]}, {"slots": ["1/2"]}, {"outside": [1, 1]}, {"discounts": [1, 1]}])
def test_programs_of_identical_buyers_are_for_one_item_and_one_discount(terms):
    env = mo.IndependentTypes.iid([1, 3], ["2/3", "1/3"], 1, agents=2)
    other = replace(env, **terms)
    if other.exact.discounts is None and "discounts" in terms:
        pytest.skip("discounts equal to the seller's are none")
    for one in (env, coin(2)):
        assert unfit(one, (mo.DIC(),), (mo.EPIR(),)) is None
    assert unfit(other, (mo.DIC(),), (mo.EPIR(),)) is not None


# --- sizes ---


def test_predicted_sizes_are_not_below_the_true_ones():
    for seed in range(60):
        env, ic, ir = hard_instance(seed)
        chosen = plan(env, ic, ir)
        model = rebuild(env, chosen.form, chosen.ic, chosen.ir, (Fraction(1), Fraction(0), Fraction(0)))
        true = model.columns + model.row_count
        assert true <= independent_entries(env, chosen.form, chosen.ic) <= 4 * true + 20, seed
    for seed in range(60):
        chosen = persistent_plan(tiny(seed), *COMBINATIONS[seed])
        weights = to_exact(1), to_exact(0), to_exact(0)
        model = rebuild_persistent(chosen.environment, "sequence", chosen.ic, chosen.ir, weights)
        assert model.columns + model.row_count <= persistent_entries(chosen.environment, chosen.ic, chosen.ir), seed


LONG = {
    "sixty-periods": mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 60),
    "a-thousand-periods": mo.IndependentTypes.iid([1, 2, 3], ["1/3", "1/3", "1/3"], 1000),
    "sixty-buyers": mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, 60),
    "sixty-periods-persistent": battaglini(60),
    "many-types": mo.MarkovTypes(
        [[[0] * 9, list(range(9))]] * 6, [[["1/9"] * 9] * 9] * 6, [["1/9"] * 9] * 6, horizon=2
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_a_small_proof_about_a_huge_program_is_refused_by_its_predicted_size(name):
    env, small = LONG[name], certify(coin(1) if "persistent" not in name and "types" not in name else battaglini(1))
    with pytest.raises(CertificateError, match=r"size: the program has .* rows and columns; at most 10,000,000"):
        check_certificate(env, replace(small, fingerprint=env.fingerprint))


def test_the_limit_is_the_callers():
    certificate = certify(coin(3))
    with pytest.raises(CertificateError, match="at most 10 are checked"):
        check_certificate(coin(3), certificate, most=10)
    tree = scenarios(3, "1")
    with pytest.raises(CertificateError, match="at most 10 are checked"):
        check_guarantee(tree, certify_guarantee(tree), most=10)


@pytest.mark.parametrize(("ic", "times"), [((mo.DIC(),), 2), ((mo.DIC(), mo.INDU()), 3)])
def test_a_guarantee_takes_its_scenarios_twice_or_three_times(ic, times):
    """Their rows and what follows; with constant continuation utility that of the other scenarios too."""
    tree = scenarios(3, "1")
    certificate = certify_guarantee(tree, ic)
    predicted = times * sum(independent_entries(part, "utility", (mo.DIC(),)) for part in tree.environments)
    assert check_guarantee(tree, certificate, most=predicted) == certificate.value
    with pytest.raises(CertificateError, match=f"the program has about {predicted} rows and columns"):
        check_guarantee(tree, certificate, most=predicted - 1)


CLAIMS = {  # status, value and multipliers of a certificate of the other kind of answer
    "an-optimum-without-value": (mo.EPIR(), {"value": None}, "status: 'optimal' with value None claims nothing known"),
    "no-bound-with-multipliers": (None, {"dual": certify(coin(2)).dual}, "neither a value nor multipliers"),
    "no-bound-with-a-value": (None, {"value": Fraction(9, 4)}, "neither a value nor multipliers"),
    "no-such-status": (mo.EPIR(), {"status": "solved"}, "status: 'solved' with value 9/4 claims nothing"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_of_a_value_or_of_no_bound(name):
    ir, change, words = CLAIMS[name]
    with pytest.raises(CertificateError, match=words):
        check_certificate(coin(2), replace(certify(coin(2), ir=ir), **change))


def test_distributions_are_of_exact_numbers_and_a_last_period():
    endless = mo.MarkovTypes([[[0], [1]]], [[[1]]], [[1]], horizon="infinite", discount="1/2")
    floats = random_environment(0)
    assert floats.exact is None
    for env in (endless, floats):
        with pytest.raises(CertificateError, match="no exact numbers, or no last period"):
            PersistentProcess(env)


def test_an_infinite_horizon_is_refused():
    endless = mo.MarkovTypes([[[0], [1]]], [[[1]]], [[1]], horizon="infinite", discount="1/2")
    with pytest.raises(CertificateError, match="no last period"):
        check_certificate(endless, replace(certify(battaglini(2)), fingerprint=endless.fingerprint))


# --- files ---


def test_keys_that_stand_twice_are_refused(tmp_path):
    path = written(tmp_path, certify(coin(2)))
    path.write_text(path.read_text().replace('"form":', '"form":"utility","form":', 1))
    with pytest.raises(CertificateError, match="key 'form' stands twice"):
        load_certificate(path)


def test_files_are_read_up_to_a_limit_only(tmp_path, monkeypatch):
    path = written(tmp_path, certify(coin(2)))
    monkeypatch.setattr("mechopt.proof.certificate.MAX_BYTES", path.stat().st_size)
    load_certificate(path)
    path.write_text(path.read_text() + " ")
    with pytest.raises(CertificateError, match="longer than"):
        load_certificate(path)


@pytest.mark.skipif(sys.platform == "win32", reason="devices and pipes of POSIX")
def test_devices_pipes_and_folders_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path):
        with pytest.raises(CertificateError, match="not a regular file"):
            load_certificate(path)
    with pytest.raises(CertificateError, match="cannot read"):
        load_certificate("a\0b")


# --- what was proved ---


def test_a_proof_without_incentive_constraints_does_not_read_like_one_with_them():
    whole = statement(certify(coin(3)))
    truth_taken = statement(certify(coin(3), ic=None))
    unbounded = statement(certify(coin(3), ir=None))
    assert whole == (
        "the largest revenue under incentive constraints dic and participation constraints epir is 7/2 = 3.5"
    )
    assert truth_taken.startswith("the largest revenue WITHOUT incentive constraints (every report taken as true) and ")
    assert unbounded.startswith("revenue has no bound under incentive constraints dic and WITHOUT participation")
    assert "1/3 welfare" in statement(certify(coin(1), objective=mo.Revenue() + (1 / 3) * mo.Welfare()))


def test_the_command_says_what_was_proved(mechopt, tmp_path):
    model, file = "mirrokni-2020/two-values-six-periods", tmp_path / "proof.json"
    assert mechopt("certificate", "make", model, file, "--ic", "none")[0] == 0
    status, out, _ = mechopt("certificate", "check", model, file)
    assert status == 0
    assert "proved: the largest revenue WITHOUT incentive constraints" in out
    rows = dict(line.split(None, 1) for line in out.splitlines() if not line.startswith("proved"))
    fingerprint = mo.load(model).fingerprint
    assert (rows["model"], rows["fingerprint"]) == ("Two values, six periods", fingerprint)
    assert (rows["incentive"], rows["participation"], rows["objective"]) == ("NONE", "epir", "revenue")


def test_an_optimum_of_nothing_has_a_document(mechopt, tmp_path):
    (tmp_path / "worthless.toml").write_text(
        'kind = "independent"\nhorizon = 2\ncost = 5\n[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
    )
    model, file = tmp_path / "worthless.toml", tmp_path / "proof.json"
    assert mechopt("certificate", "make", model, file, "--form", "utility")[0] == 0
    status, out, _ = mechopt("certificate", "check", model, file, "--json")
    assert status == 0
    document = json.loads(out[out.index("{") :])
    assert (document["proved"], document["value"], document["exact"]) == (True, 0.0, "0")
    assert document["constraints"] == {"ic": ["dic"], "ir": ["epir"]}
    assert (document["form"], document["objective"], document["status"]) == ("utility", "revenue", "optimal")
    assert mechopt("certificate", "check", model, file, "--most", 5)[0] == 1


# --- stopping ---


def test_an_interrupted_solver_interrupts_the_proof(monkeypatch):
    solve = highs.solve_program
    monkeypatch.setattr(highs, "solve_program", lambda *a, **k: replace(solve(*a, **k), status=Status.INTERRUPTED))
    with pytest.raises(KeyboardInterrupt):
        certify(coin(2))


def test_a_limit_of_exact_arithmetic_leaves_the_solvers_answer_beside_it(monkeypatch, mechopt):
    def limited(*_):
        raise ExactLimitError("no exact optimum within 3 pivots")

    monkeypatch.setattr("mechopt.solve.exact.certify.optimise", limited)
    best = mo.optimum(coin(3), method="program", exact=True)
    assert (str(best.status), best.exact, best.certificate) == ("unproved", None, None)
    assert best.value == pytest.approx(3.5)
    assert best.bound.lower <= 3.5 <= best.bound.upper
    assert mo.verify(best.mechanism).holds
    with pytest.raises(
        mo.errors.LimitError, match=r"unproved: no exact optimum within 3 pivots.* with 3\.5 <= optimum <= 3\.5"
    ):
        best.require_optimal()
    status, out, err = mechopt("solve", "mirrokni-2020/two-values-six-periods", "--exact", "--method", "program")
    assert status == 3
    assert "7.3984375" in out
    assert "within 3 pivots" in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_stops_make_while_the_solver_runs(tmp_path):
    (tmp_path / "long.toml").write_text(
        'kind = "independent"\nhorizon = 8\n[[buyers]]\nvalues = [1, 2, 4, 7]\nprobabilities = [0.3, 0.3, 0.2, 0.2]\n'
    )
    command = [sys.executable, "-m", "mechopt", "certificate", "make", "long.toml", "proof.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    time.sleep(5)  # it takes 20 s and more
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == 3, messages
    assert "interrupted" in messages
    assert not (tmp_path / "proof.json").exists()
