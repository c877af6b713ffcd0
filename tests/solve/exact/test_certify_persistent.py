"""Exact proofs of optima where types persist: the stand-alone checker against the programs, and its refusals."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.numbers import to_exact
from mechopt.lp.persistent.compile import compile_persistent
from mechopt.lp.persistent.plan import persistent_plan
from mechopt.proof.certificate import SparseVector, digest
from mechopt.proof.check import check_certificate
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.solve.exact.certify import CertificateError, certify, load_certificate
from mechopt.solve.exact.persistent import exact_persistent_program
from tests.persistent_exact import COMBINATIONS, GOALS, random_interdependent, random_separable, tiny
from tests.persistent_instances import battaglini, one_item, three_types
from tests.proofs import written
from tests.solve.exact.test_certify import mutations

SEEDS, EACH = range(150), 2
"""Random environments, and how many combinations of constraints each is tried with."""


def turns(seed):
    """So that each of the 60 combinations meets all five kinds of environments."""
    return [COMBINATIONS[(EACH * (seed + seed // 30) + k) % len(COMBINATIONS)] for k in range(EACH)]


@pytest.mark.parametrize("start", SEEDS[::15], ids=lambda start: f"environments-{start}-to-{start + 14}")
def test_every_certificate_is_proved_anew(start):
    for seed in range(start, start + 15):
        env = tiny(seed)
        for ic, ir in turns(seed):
            certificate = certify(env, ic, ir, GOALS[seed % 3])
            value = check_certificate(env, certificate)
            assert value == certificate.value, (seed, ic, ir)
            assert (value is None) == (certificate.status == "unbounded")


def sides(numbers):
    return [None if np.isinf(number) else int(number) for number in numbers]


@pytest.mark.parametrize("start", SEEDS[::15], ids=lambda start: f"environments-{start}-to-{start + 14}")
def test_rebuilt_programs_are_the_compiled_ones(start):
    for seed in range(start, start + 15):
        goal = GOALS[seed % 3]
        for ic, ir in [turns(seed)[seed // 30 % EACH]]:
            plan = persistent_plan(tiny(seed), ic, ir, goal)
            program, _ = compile_persistent(plan)
            twin = exact_persistent_program(plan, program)
            weights = tuple(map(to_exact, (goal.revenue, goal.welfare, goal.utility)))
            model = rebuild_persistent(plan.environment, "sequence", plan.ic, plan.ir, weights)
            rows = list(model.rows())
            assert (len(rows), model.columns) == program.size[:2]
            for r, row in enumerate(rows):
                part = slice(twin.start[r], twin.start[r + 1])
                whole = zip(twin.index[part], twin.value[part], strict=True)
                theirs = {int(j): Fraction(int(number), int(twin.factor[r])) for j, number in whole}
                assert dict(row.entries) == theirs, (seed, row.words(), program.describe_row(r))
                assert len(row.entries) == len(theirs)
            assert [row.lower for row in rows] == sides(program.row_lower)
            assert [row.upper for row in rows] == sides(program.row_upper)
            assert model.lower == sides(program.lower)
            assert model.upper == sides(program.upper)
            assert model.cost == [Fraction(int(number), twin.denominator) for number in twin.cost]


# Battaglini's and the three types' revenues are derived in test_persistent.py. Separable: a type 1 or 3, each 1/2,
# and a
# signal that is 1 for sure; selling to both at 1 earns 1, to the high type at 3 earns 3/2; nothing is learned later.
# Two agents and one item worth 1 or 2 to each (1/2 each), one period: virtual values 0 and 2, 2 * 3/4 = 3/2.
SURE = mo.SeparableTypes([[1, 3]], [["1/2", "1/2"]], [[[0], [1]]], [[1]], [[[1]]], horizon=1)
AUCTION = mo.MarkovTypes(
    [[[0, 0], [1, 2], [0, 0]], [[0, 0], [0, 0], [1, 2]]], [[[1, 0], [0, 1]]] * 2, [["1/2", "1/2"]] * 2, horizon=1
)
PROVED = {
    "two-types-interim": (battaglini(3), mo.Interim(), Fraction(153, 40)),
    "two-types-ex-post-rational": (battaglini(3), mo.EPIR(), Fraction(277, 80)),
    "three-types-interim": (three_types(), mo.Interim(), Fraction(157, 40)),
    "three-types-ex-post-rational": (three_types(), mo.EPIR(), Fraction(37, 10)),
    "a-sure-signal": (SURE, mo.Interim(), Fraction(3, 2)),
    "an-auction": (AUCTION, mo.Interim(), Fraction(3, 2)),
}


@pytest.mark.parametrize("name", PROVED)
def test_known_fractions_are_proved(name):
    env, ir, expected = PROVED[name]
    certificate = certify(env, ir=ir)
    assert certificate.value == expected
    assert check_certificate(env, certificate) == expected


def test_without_participation_a_direction_is_the_proof():
    env = battaglini(2)
    certificate = certify(env, ir=None)
    assert certificate.status == "unbounded"
    assert check_certificate(env, certificate) is None
    with pytest.raises(CertificateError, match="does not grow"):
        check_certificate(env, replace(certificate, primal=SparseVector(1, (), ())))


def test_floats_with_exact_sums_are_proved_as_the_decimals_they_stand_for():
    stay = [[0.75, 0.25], [0.25, 0.75]]
    env = mo.MarkovTypes([[[0, 0], [1, 2]]], [stay], [[0.4, 0.6]], horizon=3)
    assert check_certificate(env, certify(env)) == Fraction(153, 40)


def test_environments_without_exact_numbers_prove_nothing():
    env = one_item(0)
    assert env.exact is None
    certificate = replace(certify(battaglini(2)), fingerprint=env.fingerprint)
    with pytest.raises(CertificateError, match="no exact numbers"):
        check_certificate(env, certificate)


# --- changed certificates ---

CHANGED = {
    "two-types": (battaglini(2), mo.BayesianIC(), mo.EPIR()),
    "correlated": (random_interdependent(0, (1, 2)), mo.PeriodicExPostIC(), mo.PeriodicExPostIR()),
    "hidden": (three_types(1), mo.BayesianIC("own"), mo.PeriodicIR()),
}


def spoiled(env, ic, ir, tmp_path):
    """Every mutation of the certificate's file: (where, changed content)."""
    content = json.loads(written(tmp_path, certify(env, ic, ir)).read_text())
    for where, changed in mutations(content):
        if where == "ic":
            changed["ic"] = ["adjacent"] if content["ic"] != ["adjacent"] else []
        if where == "ir":
            changed["ir"] = ["per-period"]
        yield where, changed


@pytest.mark.parametrize("name", CHANGED)
def test_any_change_of_a_file_is_noticed(name, tmp_path):
    names = set()
    for where, changed in spoiled(*CHANGED[name], tmp_path):
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(changed))
        with pytest.raises(CertificateError):
            load_certificate(path)
        names.add(where.split(".")[0])
    assert names == {"fingerprint", "status", "form", "ic", "ir", "value", "objective", "primal", "dual"}


@pytest.mark.parametrize("name", CHANGED)
def test_changes_that_mend_the_digest_prove_nothing_false(name, tmp_path):
    """Who writes a fitting digest still needs a proof; where constraints change the value may be theirs too."""
    env, ic, ir = CHANGED[name]
    expected = certify(env, ic, ir).value
    tried = rejected = 0
    path = tmp_path / "changed.json"
    for where, changed in spoiled(env, ic, ir, tmp_path):
        del changed["digest"]
        path.write_text(json.dumps(changed | {"digest": digest(changed)}))
        tried += 1
        try:
            assert check_certificate(env, load_certificate(path)) == expected, where
        except CertificateError:
            rejected += 1
    assert rejected > 0.8 * tried


WRONG = {
    "a-higher-value": ({"value": Fraction(5, 2)}, "value: the primal is worth 23/10"),
    "another-form": ({"form": "utility"}, "form: 'utility' cannot express"),
    "a-constraint-of-fresh-types": ({"ic": (mo.DIC(),)}, "'dic' is not defined for persistent types"),
    "participation-as-an-incentive": ({"ic": (mo.EPIR(),)}, "wrong side"),
    "no-multipliers": ({"dual": SparseVector(1, (), ())}, "dual: reduced cost of column"),
    "no-mechanism": ({"primal": SparseVector(1, (), ())}, "row flow, period 0, history number 0, .* is broken: 0"),
    "another-objective": ({"objective": mo.Welfare()}, "dual: reduced cost of column"),
    "stronger-participation": ({"ir": (mo.PPIR(),)}, "primal|dual"),
    "an-entry-beyond-the-program": ({"primal": SparseVector(1, (9999,), (1,))}, "primal: there is no entry 9999"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_says_what_is_wrong(name):
    change, words = WRONG[name]
    env = battaglini(2)
    with pytest.raises(CertificateError, match=words):
        check_certificate(env, replace(certify(env, ir=mo.EPIR()), **change))


def test_weights_that_sum_to_one_may_not_be_negative():
    env = battaglini(1)  # columns 0 to 3: keep and sell, for the low type and for the high one
    certificate = certify(env, None, mo.EPIR())
    lottery = replace(certificate, primal=SparseVector(1, (0, 1, 2), (-1, 2, 1)))
    with pytest.raises(CertificateError, match="column 0: allocation 0, number 0 is out of bounds: -1"):
        check_certificate(env, lottery)


def test_a_proof_of_a_weaker_constraint_is_none_of_a_stronger_one():
    env = three_types()
    weaker = certify(env, mo.AdjacentIC())
    assert weaker.value == 4  # above 157/40, the optimum against all misreports
    with pytest.raises(CertificateError, match="row all interim value"):
        check_certificate(env, replace(weaker, ic=(mo.BayesianIC(),)))


def test_the_unfolding_of_a_separable_environment_has_the_same_proofs():
    env = random_separable(1)
    certificate = certify(env)
    assert certificate.fingerprint == env.to_markov().fingerprint
    assert check_certificate(env, certificate) == check_certificate(env.to_markov(), certificate) == certificate.value
    with pytest.raises(CertificateError, match="another environment"):
        check_certificate(random_separable(2), certificate)


def test_the_checker_loads_no_program_tree_or_solver():
    code = "import sys, mechopt.proof.persistent.model, mechopt.proof.check; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shared = ("lp", "public_tree", "tree", "environment.joint'", "solve.highs", "solve.exact", "solve.rational")
    for module in (*(f"mechopt.{name}" for name in shared), "highspy", "scipy"):
        assert f"'{module}" not in loaded


# --- the command line ---

TYPES = "battaglini-2005/two-types"
OTHERS = {
    "correlated": ("liu-2025/crossed-signals", "1897/800"),
    "separable": ("kakade-lobel-nazerzadeh-2013/non-separable", "21/10"),
}


def test_make_and_check_on_the_command_line(mechopt, tmp_path):
    file = tmp_path / "proof.json"
    assert mechopt("certificate", "make", TYPES, file)[0] == 0
    status, out, _ = mechopt("certificate", "check", TYPES, file)
    assert status == 0
    assert "under incentive constraints bayesian and participation constraints interim is 153/40 = 3.825\n" in out
    assert mechopt("certificate", "make", TYPES, file, "--ic", "bayesian-own", "--ir", "epir")[0] == 0
    status, out, _ = mechopt("certificate", "check", TYPES, file, "--json")
    assert (status, json.loads(out)["exact"]) == (0, "277/80")


def test_solve_writes_a_proof(mechopt, tmp_path):
    file = tmp_path / "proof.json"
    assert mechopt("solve", TYPES, "--exact", "--proof", file)[0] == 0
    status, out, _ = mechopt("certificate", "check", TYPES, file)
    assert status == 0
    assert "under incentive constraints bayesian and participation constraints interim is 153/40 = 3.825\n" in out
    status, _, err = mechopt("certificate", "check", "battaglini-2005/local-constraints-are-not-enough", file)
    assert status == 1
    assert "fingerprint" in err
    status, _, err = mechopt("certificate", "check", "bergemann-valimaki-2010/scheduling", file)
    assert status == 1
    assert "fingerprint" in err


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_on_the_command_line(kind, mechopt, tmp_path):
    model, exact = OTHERS[kind]
    file = tmp_path / "proof.json"
    assert mechopt("certificate", "make", model, file)[0] == 0
    status, out, _ = mechopt("certificate", "check", model, file)
    assert status == 0
    assert f" is {exact} = " in out.splitlines()[0]
