"""A formula's file has one spelling: what else is written in it, though signed, is refused by name."""

import copy
import json
from fractions import Fraction
from functools import cache

import pytest

import mechopt as mo
from mechopt.core.algebraic import AlgebraicNumber, real_roots
from mechopt.proof.certificate import CertificateError, digest
from mechopt.proof.formula.file import formula_content, holds_formula, load_formula, read_formula
from mechopt.proof.formula.spelling import end_content
from tests.parametric_models import CASES, EQUAL_REVENUE, independent


@cache
def proofs():
    amounts = mo.formula(CASES["budget-in-p"].text, "dic", "epir", prove=False)
    named = mo.formula(independent(1), subject_to="no-subsidy", prove=False)
    return {
        "plain": mo.formula(independent(3), prove=False).proof(),
        "amounts": amounts.proof(),
        "named": named.proof(),
        "guarantee": mo.mechanisms.guarantee_formula(EQUAL_REVENUE).proof(),
        "regret": mo.mechanisms.guarantee_formula(EQUAL_REVENUE, objective="regret", prove=False).proof(),
    }


def signed(path, content):
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    return path


@pytest.mark.parametrize("name", ["plain", "amounts", "named", "guarantee", "regret"])
def test_files_come_back(tmp_path, name):
    proof = proofs()[name]
    proof.save(tmp_path / "formula.json")
    assert load_formula(tmp_path / "formula.json") == proof
    assert ("subject_to" in formula_content(proof)) is (name in ("amounts", "named"))
    assert ("asked" in formula_content(proof)) is (name == "regret")
    assert holds_formula(tmp_path / "formula.json")


def test_amounts_are_functions_and_names_are_names():
    budget = formula_content(proofs()["amounts"])["subject_to"][-1]
    assert budget["name"] == "budget" and budget["amounts"]
    assert formula_content(proofs()["named"])["subject_to"] == [{"name": "no-subsidy"}]


def test_constant_amounts_are_numbers(tmp_path):
    found = mo.formula(independent(1), subject_to="budget:3/2", prove=False)
    found.save(tmp_path / "formula.json")
    (again,) = load_formula(tmp_path / "formula.json").subject_to
    assert again.amounts == (Fraction(3, 2),) and isinstance(again.amounts[0], Fraction)


def test_other_files_hold_no_formula(tmp_path):
    (tmp_path / "other.json").write_text('{"format": "mechopt certificate 1"}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    for name in ("other.json", "list.json", "broken.json", "none.json", ""):
        assert not holds_formula(tmp_path / name)


CHANGES = {  # of the first basis, a piece or the list of functions; what the refusal says
    "a-truth-value-as-index": (lambda c: c["bases"][0]["primal"]["index"].__setitem__(0, True), "not a whole number"),
    "a-float-as-last-index": (
        lambda c: c["bases"][0]["primal"]["index"].append(float(c["bases"][0]["primal"]["index"].pop())),
        "not a whole number",
    ),
    "an-index-below-nothing": (lambda c: c["bases"][0]["dual"]["index"].__setitem__(0, -1), "not a whole number"),
    "a-function-from-behind": (lambda c: c["bases"][0]["dual"]["function"].__setitem__(0, -1), "not a whole number"),
    "an-index-too-few": (lambda c: c["bases"][0]["primal"]["index"].pop(), "lists differ in length"),
    "an-index-twice": (
        lambda c: c["bases"][0]["primal"]["index"].__setitem__(1, c["bases"][0]["primal"]["index"][0]),
        "not above the one before it",
    ),
    "one-pair-of-indices-turned": (
        lambda c: c["bases"][0]["primal"]["index"].insert(0, c["bases"][0]["primal"]["index"].pop(1)),
        "not above the one before it",
    ),
    "an-entry-of-zero": (lambda c: zero(c), "an entry is zero"),
    "closed-by-a-number": (lambda c: c["pieces"][0].update(closed=[False, 0]), "closed is not a pair"),
    "closed-by-a-number-first": (lambda c: c["pieces"][0].update(closed=[0, False]), "closed is not a pair"),
    "a-coefficient-as-number": (lambda c: c["functions"][0]["denominator"].__setitem__(0, 1), "not a list of texts"),
    "one-coefficient-of-several-as-number": (
        lambda c: next(f["numerator"] for f in c["functions"] if len(f["numerator"]) > 1).__setitem__(0, 1),
        "not a list of texts",
    ),
    "a-polynomial-of-numbers": (lambda c: c["functions"][0].update(denominator=[1]), "not a list of texts"),
    "a-polynomial-as-text": (lambda c: c["functions"][0].update(numerator="12"), "not a list of texts"),
    "no-polynomial": (lambda c: c["bases"][1]["from"].update(polynomial=["1"]), "not a root of a polynomial"),
    "an-empty-polynomial": (lambda c: c["bases"][1]["from"].update(polynomial=[]), "not a root of a polynomial"),
    "a-root-as-float": (lambda c: c["bases"][1]["from"].update(root=0.0), "not a root of a polynomial"),
    "a-root-as-truth-value": (lambda c: c["bases"][1]["from"].update(root=False), "not a root of a polynomial"),
    "a-wide-bracket": (lambda c: c["bases"][1]["from"].update(bracket=["0", "1"]), "a bracket is neither"),
    "a-bracket-between-steps": (
        lambda c: c["bases"][1]["from"].update(bracket=["1/3", str(Fraction(1, 3) + WIDTH)]),
        "a bracket is neither",
    ),
    "a-bracket-that-would-be-narrowed-for-ever": (
        lambda c: c["bases"][1]["from"].update(end("1/3", "3/4")),
        "a bracket is neither",
    ),
}


WIDTH = Fraction(1, 2**40)


def end(lower, upper):
    """1/2 as a root of a polynomial with others, (2 p - 1)(p^2 - 2)."""
    return {"polynomial": ["2", "-4", "-1", "2"], "root": 1, "bracket": [str(lower), str(upper)]}


@pytest.mark.parametrize("lower", [Fraction(1, 2), Fraction(1, 2) - WIDTH])
def test_a_rational_end_in_other_words_is_read_and_refused(tmp_path, lower):
    """A bracket that ends at the root is not narrowed for ever."""
    content = copy.deepcopy(formula_content(proofs()["plain"]))
    content["pieces"][0]["to"] = end(lower, lower + WIDTH)
    proof = load_formula(signed(tmp_path / "formula.json", content))
    with pytest.raises(CertificateError, match=r"ends: .*the bracket does not hold that root alone"):
        mo.check_formula(independent(3), proof)


def zero(content):
    content["functions"].append({"numerator": [], "denominator": ["1"]})
    content["bases"][0]["primal"]["function"][-1] = len(content["functions"]) - 1


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_spelt_otherwise_is_refused_by_name(tmp_path, name):
    content = copy.deepcopy(formula_content(proofs()["plain"]))
    change, words = CHANGES[name]
    change(content)
    with pytest.raises(CertificateError, match=f"damaged.*{words}"):
        load_formula(signed(tmp_path / "formula.json", content))


@pytest.mark.parametrize(
    ("key", "value"), [("interval", ["0/3", "1"]), ("objective", {"revenue": "2/2", "welfare": "0", "utility": "0"})]
)
def test_other_spellings_are_refused_by_name(tmp_path, key, value):
    content = formula_content(proofs()["plain"]) | {key: value}
    with pytest.raises(CertificateError, match=f"json: {key} is not spelt as formulas are"):
        load_formula(signed(tmp_path / "formula.json", content))


def test_a_guarantee_is_no_optimum_of_a_guarantee(tmp_path):
    content = formula_content(proofs()["guarantee"])
    assert read_formula(content) == proofs()["guarantee"]
    for optima in ([content], [*content["optima"], content]):
        with pytest.raises(CertificateError, match="an optimum is itself a guarantee"):
            load_formula(signed(tmp_path / "formula.json", content | {"optima": optima}))


def test_brackets_depend_on_the_number_alone():
    """2^-40 wide, whatever was known of the number before; found here by whole roots."""
    for polynomial, power in (((-1, 0, 2), 2), ((-2, 0, 0, 3), 3), ((-5, 0, 0, 0, 0, 7), 5), ((-3, 0, 11), 2)):
        root = real_roots(polynomial)[-1]
        scaled = Fraction(-polynomial[0], polynomial[-1]) * 2 ** (40 * power)
        floor = next(k for k in range(int(float(root) * 2**40) - 2, 2**41) if (k + 1) ** power > scaled)
        expected = [str(Fraction(floor, 2**40)), str(Fraction(floor + 1, 2**40))]
        wide = AlgebraicNumber(polynomial, root.index, Fraction(0), Fraction(1))
        offset = AlgebraicNumber(polynomial, root.index, Fraction(1, 3), Fraction(20, 21))
        narrow = AlgebraicNumber(polynomial, root.index, Fraction(0), Fraction(1))
        narrow.narrowed(Fraction(1, 2**90))
        for number in (wide, offset, narrow):
            assert end_content(number)["bracket"] == expected
    half = AlgebraicNumber.rational(Fraction(1, 3))
    assert end_content(half) == {"polynomial": ["-1", "3"], "root": 0, "bracket": ["1/3", "1/3"]}
