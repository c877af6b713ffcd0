"""Exact certificates of the best guarantee over scenarios."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.certificate import digest
from mechopt.proof.check import check_guarantee
from mechopt.solve.exact.certify import CertificateError, certify, load_certificate
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.proofs import HALF, other_text, written

COIN = {"name": "F1", "values": [1, 4], "probabilities": HALF}


def scenarios(types, scale):
    """F_1 = {1, 4}, alone or followed by equal revenue with that many types, scaled."""
    values = [Fraction(scale) * 2**i for i in range(1, types + 1)]
    chances = [Fraction(1, 2 ** min(i, types - 1)) for i in range(1, types + 1)]
    later = {"name": "F2", "values": values, "probabilities": chances}
    return mo.Scenarios([COIN, later], [["F1"], ["F1", "F2"]])


GUARANTEES = {  # optima 2 and 2.5 + 2 scale, as a balance of up to E v_1 = 5/2 replaces the first auction's 2
    "five-types": (5, "1", Fraction(9, 2), Fraction(10, 11)),
    "eight-types-halved": (8, "1/2", Fraction(7, 2), Fraction(8, 9)),
    "fourteen-types-quartered": (14, "1/4", Fraction(3), Fraction(7, 8)),
}


@pytest.mark.parametrize("name", GUARANTEES)
def test_best_guarantees_are_proved(tmp_path, name):
    types, scale, optimum, expected = GUARANTEES[name]
    given_scenarios = scenarios(types, scale)
    certificate = certify_guarantee(given_scenarios)
    assert [proof.value for proof in certificate.optima] == [2, optimum]
    assert check_guarantee(given_scenarios, certificate) == certificate.value == expected
    assert load_certificate(written(tmp_path, certificate)) == certificate


def test_guarantees_over_a_branching_tree_agree_with_floats():
    others = {"name": "G", "values": [0, 1, 5], "probabilities": ["1/3"] * 3}
    worthless = {"name": "Z", "values": [0, 7], "probabilities": [1, 0]}
    sequences = [["Z"], ["F1"], ["F1", "G"], ["F1", "G", "F1"], ["F1", "F1"]]
    tree = mo.Scenarios([COIN, others, worthless], sequences, discount="9/10")
    value = check_guarantee(tree, certify_guarantee(tree))
    assert float(value) == pytest.approx(mo.maximin(tree).ratio, abs=1e-9)


def test_changed_guarantees_prove_nothing(tmp_path):
    given_scenarios = scenarios(3, "1")
    path = written(tmp_path, certify_guarantee(given_scenarios))
    content = json.loads(path.read_text())
    del content["digest"]
    other = content["optima"][0]
    changes = {
        "fingerprint": other_text(content["fingerprint"]),
        "value": "1",
        "optima": [other, other],
        "primal": content["dual"],
        "dual": content["primal"],
    }
    assert set(changes) == set(content) - {"format"}
    for key, new in changes.items():
        changed = content | {key: new}
        path.write_text(json.dumps(changed | {"digest": digest(content)}))
        with pytest.raises(CertificateError, match="digest"):
            load_certificate(path)
        path.write_text(json.dumps(changed | {"digest": digest(changed)}))
        with pytest.raises(CertificateError):
            check_guarantee(given_scenarios, load_certificate(path))
    weak = certify_guarantee(given_scenarios)
    welfare = certify(given_scenarios.environments[0], objective=mo.Welfare())
    with pytest.raises(CertificateError, match="optima"):
        check_guarantee(given_scenarios, replace(weak, optima=(welfare, weak.optima[1])))
