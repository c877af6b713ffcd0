"""Environments and file helpers that the tests of exact proofs share."""

from fractions import Fraction

import mechopt as mo

FORMS = ("promise", "utility", "payment")
HALF = ["1/2", "1/2"]


def coin(periods):
    return mo.IndependentTypes.iid([1, 2], HALF, periods)


def generic(types, periods):
    weights = [3, 5, 2, 7][:types]
    return mo.IndependentTypes.iid(range(1, types + 1), [Fraction(w, sum(weights)) for w in weights], periods)


def equal_revenue(*counts):
    rows = [([2**i for i in range(1, k + 1)], [f"1/{2 ** min(i, k - 1)}" for i in range(1, k + 1)]) for k in counts]
    return mo.IndependentTypes([[values for values, _ in rows]], [[chances for _, chances in rows]])


def written(tmp_path, certificate):
    path = tmp_path / "proof.json"
    certificate.save(path)
    return path


def other_text(text):
    return "0" + text[1:] if text[0] != "0" else "1" + text[1:]
