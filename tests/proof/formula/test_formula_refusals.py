"""Formulas that claim to be of identical buyers, about models that are not of any."""

from dataclasses import replace
from functools import cache

import pytest

import mechopt as mo
from mechopt.proof.certificate import CertificateError
from tests.parametric_models import independent

OTHER = '[[buyers]]\nvalues = [1, 3]\nprobabilities = ["1/2", "1/2"]\n'
MIDDLE = '[[buyers]]\nvalues = [1, 2]\nprobabilities = ["1/2", "1/2"]\n'
MODELS = {  # text, what is asked, and the refusal
    "payments": (independent(1, count=2), {"subject_to": "no-subsidy"}, "it has no payments that constraints could"),
    "other-values": (independent(1, more=OTHER), {}, "the buyers are not identical"),
    "identical-in-the-middle-alone": (independent(1, more=MIDDLE), {}, "the buyers are not identical"),
    "ex-post": (independent(1, count=2), {"ic": "ex-post"}, "it is for DIC"),
    "no-incentives": (independent(1, count=2), {"ic": "none"}, "cannot express|it is for DIC"),
}


@cache
def proved(name):
    text, asked, _ = MODELS[name]
    return mo.formula(text, prove=False, **asked).proof()


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_not_of_identical_buyers(name):
    text, _, words = MODELS[name]
    assert mo.check_formula(text, proved(name)).pieces
    with pytest.raises(CertificateError, match=f"(?s)form: .*({words})"):
        mo.check_formula(text, replace(proved(name), form="orbits"))
