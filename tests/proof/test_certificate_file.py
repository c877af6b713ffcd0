"""A certificate's file has one spelling: what else is written in it, though signed, is refused by name."""

import json
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.certificate import as_content, digest
from mechopt.proof.check import check_guarantee
from mechopt.solve.exact.certify import CertificateError, certify, load_certificate
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.proofs import coin, written
from tests.solve.exact.test_guarantee import scenarios


def signed(tmp_path, content):
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    return path


@pytest.fixture(scope="module")
def content():
    return as_content(certify(coin(2)))


def test_the_order_of_keys_does_not_matter(tmp_path, content):
    path = signed(tmp_path, dict(reversed(content.items())))
    assert load_certificate(path) == certify(coin(2))
    turned = {"digest": digest(content), **dict(reversed(content.items()))}
    path.write_text(json.dumps(turned))
    assert load_certificate(path) == certify(coin(2))


VECTORS = {  # what a vector of two entries, 1/2 and 3/2 in columns 0 and 4, may not be
    "a-float-as-index": ({"index": [0, 4.0]}, "an index is not a whole number above"),
    "a-truth-value-as-index": ({"index": [False, 4]}, "an index is not a whole number above"),
    "an-index-below-nothing": ({"index": [-1, 4]}, "an index is not a whole number above"),
    "an-index-twice": ({"index": [4, 4]}, "an index is not a whole number above"),
    "falling-indices": ({"index": [4, 0]}, "an index is not a whole number above"),
    "too-few-numerators": ({"numerators": ["1"]}, "as many numerators as indices"),
    "too-many-numerators": ({"numerators": ["1", "3", "5"]}, "as many numerators as indices"),
    "an-entry-of-zero": ({"numerators": ["1", "0"]}, "none of them 0"),
    "no-denominator": ({"denominator": "0"}, "the denominator is not positive"),
    "a-negative-denominator": ({"denominator": "-2"}, "the denominator is not positive"),
    "not-in-lowest-terms": ({"denominator": "4", "numerators": ["2", "6"]}, "in lowest terms"),
}


@pytest.mark.parametrize("side", ["primal", "dual"])
@pytest.mark.parametrize("name", VECTORS)
def test_vectors_have_one_spelling(tmp_path, content, name, side):
    good = {"denominator": "2", "index": [0, 4], "numerators": ["1", "3"]}
    vector = load_certificate(signed(tmp_path, content | {side: good})).__dict__[side]
    assert vector.entries == {0: Fraction(1, 2), 4: Fraction(3, 2)}
    change, words = VECTORS[name]
    with pytest.raises(CertificateError, match=words):
        load_certificate(signed(tmp_path, content | {side: good | change}))


@pytest.mark.parametrize(
    ("key", "spelling"), [("value", "18/8"), ("value", " 9/4"), ("value", "+9/4"), ("form", 1), ("status", 0)]
)
def test_other_spellings_are_refused_by_name(tmp_path, content, key, spelling):
    assert content["value"] == "9/4"
    with pytest.raises(CertificateError, match=rf"proof\.json: {key} is not spelt as certificates are"):
        load_certificate(signed(tmp_path, content | {key: spelling}))


def test_a_key_more_is_refused_by_name(tmp_path, content):
    with pytest.raises(CertificateError, match="remark is not spelt as certificates are"):
        load_certificate(signed(tmp_path, content | {"remark": "trust me"}))


def test_a_value_is_a_fraction_or_a_whole_number(tmp_path, content):
    assert load_certificate(signed(tmp_path, content | {"value": "3"})).value == 3
    assert load_certificate(signed(tmp_path, content | {"value": "-7/3"})).value == Fraction(-7, 3)


def test_a_guarantee_says_what_it_is_under(tmp_path):
    """DIC alone is not written, DIC with constant continuation utility is."""
    tree = scenarios(3, "1")
    plain, constant = certify_guarantee(tree), certify_guarantee(tree, (mo.DIC(), mo.INDU()))
    assert "ic" not in as_content(plain)
    assert as_content(constant)["ic"] == ["dic", "indu"]
    for certificate in (plain, constant):
        found = load_certificate(written(tmp_path, certificate))
        assert found == certificate
        assert check_guarantee(tree, found) == certificate.value
