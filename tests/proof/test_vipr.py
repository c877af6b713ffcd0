"""Proofs in the VIPR format, read by a reader of its own that recomputes every row in fractions."""

import re
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.check import rebuilt
from mechopt.proof.vipr import write_vipr
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.hard_instances import hard_instance
from tests.persistent_exact import COMBINATIONS, random_interdependent, tiny
from tests.persistent_instances import battaglini
from tests.proofs import FORMS, coin, generic
from tests.solve.exact.test_guarantee import scenarios
from tests.vipr import ViprError, check_vipr

EXAMPLE = """% The example of the specification without its rounding: -x - y is at most 1/8, and (0, 1) is worth -1.
VER 1.0
VAR 2
x y
INT 0
OBJ max
2  0 -1  1 -1
CON 2 0
C1 G 1  2  0 4  1 1
C2 L 2  2  0 4  1 -1
RTP range -1 1/8
SOL 2
feas 2  0 1  1 2
opt 1  1 1
DER 2
C3 G -1/2  1  1 1   { lin 2  0 1/2  1 -1/2 } 3
C5 L 1/8   OBJ     { lin 2  0 -1/4  2 -3/4 } 0
"""
WRONG = {
    "an infeasible solution": ("feas 2  0 1  1 2", "feas 2  0 2  1 2", "violates constraint 1"),
    "another weight": ("2 -3/4", "2 -1/2", "does not dominate"),
    "weights that press both ways": ("1 -1/2 } 3", "1 1/2 } 3", "both ways"),
    "no solution of that worth": ("range -1 ", "range -1/2 ", "no solution is worth"),
    "more than is derived": ("range -1 1/8", "range -1 0", "does not bound"),
    "a constraint not yet there": ("2 -3/4", "3 -3/4", "index 3"),
}


def test_the_reader_agrees_with_the_example():
    assert check_vipr(EXAMPLE) == (-1, Fraction(1, 8))


@pytest.mark.parametrize("name", WRONG)
def test_the_reader_refuses_what_does_not_follow(name):
    old, new, words = WRONG[name]
    assert EXAMPLE.count(old) == 1
    with pytest.raises(ViprError, match=words):
        check_vipr(EXAMPLE.replace(old, new))


def exported(env, certificate, tmp_path, title="a title"):
    path = tmp_path / "proof.vipr"
    write_vipr(env, certificate, path, title)
    return path.read_text()


def offset(text):
    """The constant that a comment names."""
    return Fraction(re.search(r"leaves out the constant (\S+);", text)[1])


@pytest.mark.parametrize("form", FORMS)
def test_known_optima_are_proved_by_the_reader(form, tmp_path):
    for env, expected in ((coin(3), Fraction(7, 2)), (generic(4, 2), certify(generic(4, 2)).value)):
        text = exported(env, certify(env, form=form), tmp_path)
        lower, upper = check_vipr(text)
        assert lower == upper == expected - offset(text)


def test_proofs_of_hard_and_of_persistent_instances_are_proved_by_the_reader(tmp_path):
    checked = 0
    for seed in range(40):
        env, ic, ir = hard_instance(seed)
        certificate = certify(env, ic, ir)
        text = exported(env, certificate, tmp_path)
        assert set(check_vipr(text)) == {certificate.value - offset(text)}
    for seed in range(30):
        env, (ic, ir) = tiny(seed), COMBINATIONS[seed]
        certificate = certify(env, ic, ir)
        if certificate.value is None:
            with pytest.raises(mo.InputError, match="no bound"):
                exported(env, certificate, tmp_path)
            continue
        assert set(check_vipr(exported(env, certificate, tmp_path))) == {certificate.value}
        checked += 1
    assert checked > 10


def test_a_guarantee_is_proved_by_the_reader(tmp_path):
    tree = scenarios(5, "1")
    assert check_vipr(exported(tree, certify_guarantee(tree), tmp_path)) == (Fraction(10, 11), Fraction(10, 11))


def test_a_scenario_in_which_nothing_is_earned_stays_one(tmp_path):
    """What is written is the program that is proved: an optimum of 0 is not taken for another."""
    coin = {"name": "F", "values": [1, 4], "probabilities": ["1/3", "2/3"]}
    worthless = {"name": "Z", "values": [0, 7], "probabilities": [1, 0]}
    tree = mo.Scenarios([coin, worthless], [["Z"], ["F"], ["F", "F"]])
    certificate = certify_guarantee(tree, objective="regret")
    assert certificate.optima[0].value == 0
    assert set(check_vipr(exported(tree, certificate, tmp_path))) == {-certificate.value}


CHANGED = {"independent": coin(2), "persistent": battaglini(2), "correlated": random_interdependent(0, (1, 2))}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_numbers_prove_nothing_false_to_the_reader(name, tmp_path):
    """Numbers of the range, the solution and the derivation; a range may be wider, a degenerate solution elsewhere."""
    text = exported(CHANGED[name], certify(CHANGED[name]), tmp_path)
    (value,) = set(check_vipr(text))
    head, tail = text[: text.index("RTP")], text[text.index("RTP") :]
    places = list(re.finditer(r"(?<= )-?\d+(/\d+)?(?= )", tail))
    noticed = 0
    for place in places:
        changed = tail[: place.start()] + str(Fraction(place[0]) + 1) + tail[place.end() :]
        try:
            lower, upper = check_vipr(head + changed)
        except (ViprError, ValueError):
            noticed += 1
        else:
            assert lower <= value <= upper
    assert noticed > 0.8 * len(places)
    assert len(places) > 10


def test_a_row_with_one_side_is_one_constraint_and_one_with_two_is_two(tmp_path):
    certificate = certify(coin(2), form="payment", subject_to="no-money")
    lines = dict(re.findall(r"^(row\w+) ([EGL]) ", exported(coin(2), certificate, tmp_path), re.MULTILINE))
    expected = {}
    for number, row in enumerate(rebuilt(coin(2), certificate).rows()):
        if row.lower == row.upper:
            expected[f"row{number}"] = "E"
            continue
        expected |= {f"row{number}lower": "G"} if row.lower is not None else {}
        expected |= {f"row{number}upper": "L"} if row.upper is not None else {}
    assert lines == expected and set(lines.values()) >= {"E", "G"}


def test_a_title_cannot_write_into_the_file(tmp_path):
    text = exported(coin(2), certify(coin(2)), tmp_path, "a\nVER 1.0\nVAR 0")
    assert text.splitlines()[0].startswith("% a?VER 1.0?VAR 0: the largest revenue")
    assert check_vipr(text)[0] == Fraction(9, 4)


def test_the_command_exports_what_it_proves(mechopt, tmp_path):
    model, proof, file = "mirrokni-2020/two-values-six-periods", tmp_path / "proof.json", tmp_path / "proof.vipr"
    assert mechopt("certificate", "make", model, proof)[0] == 0
    status, _, err = mechopt("certificate", "export", "--format", "vipr", model, proof, "-o", file)
    assert status == 2 and "certificate make --form utility" in err and not file.exists()
    assert mechopt("certificate", "make", model, proof, "--form", "utility")[0] == 0
    status, _, _ = mechopt("certificate", "export", "--format", "vipr", model, proof, "-o", file)
    assert status == 0
    assert check_vipr(file.read_text()) == (Fraction(947, 128), Fraction(947, 128))
    other = "mirrokni-2020/two-values-five-periods"
    assert mechopt("certificate", "export", "--format", "vipr", other, proof, "-o", tmp_path / "no.vipr")[0] == 1
    assert mechopt("certificate", "export", "--format", "lean", model, proof, "-o", tmp_path / "no.vipr")[0] == 2
    assert not (tmp_path / "no.vipr").exists()


def test_the_least_regret_is_exported_as_what_is_most_below_nothing(tmp_path):
    tree = scenarios(3, "1")
    certificate = certify_guarantee(tree, objective="regret")
    assert certificate.value > 0
    text = exported(tree, certificate, tmp_path)
    assert (
        set(check_vipr(text)) == {-certificate.value} and f"RTP range {-certificate.value} {-certificate.value}" in text
    )
