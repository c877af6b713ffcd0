"""The checker of certificates by promises: points against the definition, lines against linear programs."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.proof.promised.certificate import (
    Line,
    Place,
    Point,
    PromisedCertificateError,
    _digest,
    is_promised,
    load_promised,
)
from mechopt.proof.promised.check import _check_line, _check_point, check_promised
from mechopt.solve.exact_promised.optimum import exact_promised
from tests.interdependent_instances import random_environment

F = Fraction
ENV = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 3, cost="1/2", discount="9/10")


@pytest.fixture(scope="module")
def proof():
    return exact_promised(ENV)[1]


# --- points ---

VALUES, LAW, COST = [F(1), F(2), F(4)], [F(1, 2), F(1, 3), F(1, 6)], F(1, 2)
AFTER = [Point(F(0), F(0), F(0), (), ()), Point(F(1), F(5), F(0), (), ()), Point(F(3, 2), F(4), F(0), (), ())]
LOTTERY = ((0, F(1, 4)), (1, F(1, 2)), (2, F(0)))
PLACES = (Place(0, 1, F(1, 8)), Place(1, 2, F(0)), Place(1, 2, F(1)))
# Above the lowest promise, type 1 has 1/4 and type 2 has 3/4 + 1. What follows takes 1/8, 1 and 3/2.


def point(**changes):
    """Honest for the values that are given, with `lowest` high enough for what follows."""
    lowest = changes.get("lowest", F(3, 4))
    lottery, places = changes.get("lottery", LOTTERY), changes.get("places", PLACES)
    promise = height = F(0)
    for k, (value, p) in enumerate(zip(VALUES, LAW, strict=True)):
        sold = sum((z for j, z in lottery if VALUES[j] <= value), F(0))
        gained = sum((z * max(value - VALUES[j], F(0)) for j, z in lottery), F(0))
        follow = places[k]
        later = (1 - follow.share) * AFTER[follow.left].height + follow.share * AFTER[follow.right].height
        promise += p * (lowest + gained)
        height += p * ((value - COST) * sold + later)
    return Point(promise, height, lowest, lottery, places)


def check(given, values=VALUES, distribution=LAW):
    _check_point("at", values, distribution, COST, given, AFTER)


def test_points_that_are():
    check(point())
    check(point(lottery=((0, F(1, 2)), (2, F(1, 2)))))
    check(point(lottery=(), lowest=F(3, 2)))
    check(point()._replace(height=point().height - 1))
    check(point(lottery=((1, F(1)),), lowest=F(1)))
    check(point(lottery=(), lowest=F(0), places=(Place(0, 0, F(1)),) * 3))


def test_types_that_never_come_need_no_place():
    never = [F(1), F(0), F(0)]
    places = PLACES[0], Place(7, 0, F(0)), Place(0, 7, F(2))
    check(Point(F(1, 8), F(1, 8) + F(5, 8), F(1, 8), LOTTERY, places), distribution=never)


LITTLE = F(1, 10**9)
WRONG = {
    "a-price-beyond-the-types": ({"lottery": ((3, F(1, 4)),)}, "its prices are not a lottery"),
    "a-price-before-the-types": ({"lottery": ((-1, F(1, 4)),)}, "its prices are not a lottery"),
    "a-negative-chance": ({"lottery": ((0, F(1, 2)), (1, F(-1, 4)))}, "its prices are not a lottery"),
    "more-than-all": ({"lottery": ((0, F(1, 2)), (1, F(1, 2) + LITTLE))}, "its prices are not a lottery"),
    "a-lowest-below-nothing": ({"lowest": -LITTLE}, "the lowest promise is below 0"),
    "a-place-too-few": ({"places": PLACES[:2]}, "not one place a type"),
    "a-place-too-many": ({"places": (*PLACES, PLACES[0])}, "not one place a type"),
    "a-left-place-beyond": ({"places": (Place(3, 0, F(1)), *PLACES[1:])}, "the place of type 0 is not one"),
    "a-left-place-before": ({"places": (Place(-1, 0, F(1)), *PLACES[1:])}, "the place of type 0 is not one"),
    "a-right-place-beyond": ({"places": (Place(0, 3, F(0)), *PLACES[1:])}, "the place of type 0 is not one"),
    "a-right-place-before": ({"places": (Place(0, -1, F(0)), *PLACES[1:])}, "the place of type 0 is not one"),
    "a-share-above-one": ({"places": (*PLACES[:2], Place(0, 1, 1 + LITTLE))}, "the place of type 2 is not one"),
    "a-share-below-nothing": ({"places": (Place(0, 1, -LITTLE), *PLACES[1:])}, "the place of type 0 is not one"),
    "another-promise": ({"promise": point().promise + LITTLE}, "the promise is"),
    "a-smaller-promise": ({"promise": point().promise - LITTLE}, "the promise is"),
    "more-welfare": ({"height": point().height + LITTLE}, "welfare is"),
}


@pytest.mark.parametrize("name", WRONG)
def test_points_that_are_not(name):
    changes, words = WRONG[name]
    with pytest.raises(PromisedCertificateError, match=words):
        check(point()._replace(**changes))


@pytest.mark.parametrize("k", range(3))
def test_what_follows_takes_no_more_than_is_promised(k):
    """To the last billionth, from the left and from the right point."""
    promised = point().lowest + [F(0), F(1, 4), F(7, 4)][k]
    for left, right in ((0, 2), (2, 0)):
        share = promised / F(3, 2) if left == 0 else 1 - promised / F(3, 2)
        if not 0 <= share <= 1:
            continue
        places = [Place(0, 0, F(0))] * 3
        places[k] = Place(left, right, share)
        check(point(places=tuple(places)))
        places[k] = Place(left, right, share + (LITTLE if left == 0 else -LITTLE))
        with pytest.raises(PromisedCertificateError, match=f"what follows type {k} takes more"):
            check(point(places=tuple(places)))


# --- lines ---


def best(values, distribution, cost, slope, below):
    """Largest welfare less slope times the promise over allocations that rise and promises that fit them."""
    n = len(values)
    gain = np.array([float(p * (v - cost)) for v, p in zip(values, distribution, strict=True)])
    weight = np.array([float(p * (line.slope - slope)) for line, p in zip(below, distribution, strict=True)])
    rows = []
    for k in range(n - 1):
        step = float(values[k + 1] - values[k])
        for sold, sign in ((k, 1), (k + 1, -1)):  # step x_k <= v_{k+1} - v_k <= step x_{k+1}
            row = np.zeros(2 * n)
            row[sold] += sign * step
            row[n + k + 1] -= sign
            row[n + k] += sign
            rows.append(row)
    found = linprog(-np.concatenate([gain, weight]), np.array(rows or [np.zeros(2 * n)]), np.zeros(max(len(rows), 1)),
                    bounds=[(0, 1)] * n + [(0, None)] * n)  # fmt: skip
    return -found.fun + sum(float(p * line.height) for line, p in zip(below, distribution, strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_lines_are_the_linear_programs(seed):
    rng = np.random.default_rng(seed)
    n = 1 + seed % 4
    values = [F(int(v), 2) for v in np.sort(rng.choice(9, n, replace=False))]
    weights = rng.integers(0, 4, n) + (np.arange(n) == 0)
    distribution = [F(int(w), int(weights.sum())) for w in weights]
    cost = F(int(rng.integers(0, 4)), 3)
    after = [Line(F(int(s), 4), F(int(h), 3), ()) for s, h in rng.integers(0, 9, (3, 2))]
    chosen = tuple(int(j) for j in rng.integers(0, 3, n))
    below = [after[j] for j in chosen]
    mean = sum((p * line.slope for p, line in zip(distribution, below, strict=True)), F(0))
    for slope in (mean, mean + F(1, 3), mean + 2):
        height = best(values, distribution, cost, slope, below)
        _check_line("at", values, distribution, cost, Line(slope, F(height) + F(1, 10**6), chosen), after)
        with pytest.raises(PromisedCertificateError, match="welfare is only proved to be at most"):
            _check_line("at", values, distribution, cost, Line(slope, F(height) - F(1, 10**6), chosen), after)
    if mean:
        with pytest.raises(PromisedCertificateError, match="the slopes that follow have the mean"):
            _check_line("at", values, distribution, cost, Line(mean - LITTLE, F(99), chosen), after)


BAD_LINES = {
    "a-slope-below-nothing": Line(-LITTLE, F(99), (0, 0, 0)),
    "a-line-too-few": Line(F(1), F(99), (0, 0)),
    "a-line-too-many": Line(F(1), F(99), (0, 0, 0, 0)),
    "the-last-beyond": Line(F(1), F(99), (0, 0, 1)),
    "the-first-beyond": Line(F(1), F(99), (1, 0, 0)),
    "one-from-behind": Line(F(1), F(99), (0, -1, 0)),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_lines_that_are_not(name):
    flat = [Line(F(0), F(0), ())]
    _check_line("at", VALUES, LAW, COST, Line(F(1), F(99), (0, 0, 0)), flat)
    _check_line("at", VALUES, LAW, COST, Line(F(0), F(99), (0, 0, 0)), flat)
    with pytest.raises(PromisedCertificateError, match="the slope is below 0, or a line"):
        _check_line("at", VALUES, LAW, COST, BAD_LINES[name], flat)


# --- whole certificates ---


def test_the_best_point_and_the_lowest_line_count(proof):
    first = proof.points[0][-1]
    worse = first._replace(height=first.height - 1)
    higher = proof.lines[0][-1]._replace(slope=F(1), height=proof.upper + 1)
    for points, lines in (
        ((worse, *proof.points[0]), (higher, *proof.lines[0])),
        ((*proof.points[0], worse), (*proof.lines[0], higher)),
    ):
        more = replace(proof, points=(points, *proof.points[1:]), lines=(lines, *proof.lines[1:]))
        assert check_promised(ENV, more) == (proof.lower, proof.upper)
    for changes in ({"points": ((), *proof.points[1:])}, {"lines": ((), *proof.lines[1:])}):
        with pytest.raises(PromisedCertificateError, match="the first period has no point, or no line of slope 1"):
            check_promised(ENV, replace(proof, **changes))
    for changes in ({"points": proof.points[1:]}, {"lines": proof.lines[1:]}, {"points": proof.points[:-1]}):
        with pytest.raises(PromisedCertificateError, match="3 periods of each are wanted"):
            check_promised(ENV, replace(proof, **changes))


def test_one_buyer_with_exact_numbers(proof):
    two = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 3, agents=2)
    with pytest.raises(PromisedCertificateError, match="it takes one buyer with exact numbers"):
        check_promised(two, replace(proof, fingerprint=two.fingerprint))
    joint = random_environment(0)
    with pytest.raises(mo.errors.CertificateError, match="is about types independent across periods"):
        mo.formats.check_certificate(joint, replace(proof, fingerprint=joint.fingerprint))


# --- files ---


def test_files_are_known_by_their_beginning(tmp_path, proof):
    proof.save(tmp_path / "proof.json")
    (tmp_path / "other.json").write_text('{"format":"mechopt certificate 1"}')
    assert is_promised(tmp_path / "proof.json")
    assert not any(is_promised(tmp_path / name) for name in ("other.json", "", "none.json"))


def test_keys_that_stand_twice_are_refused(tmp_path, proof):
    path = tmp_path / "proof.json"
    proof.save(path)
    path.write_text(path.read_text().replace('"lower":', '"lower":"0","lower":', 1))
    with pytest.raises(PromisedCertificateError, match="key 'lower' stands twice"):
        load_promised(path)


def test_the_order_of_keys_does_not_matter(tmp_path, proof):
    path = tmp_path / "proof.json"
    proof.save(path)
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert load_promised(path).points == proof.points


@pytest.mark.parametrize("number", [True, 1.0, -1, "1", None])
def test_entries_are_numbers_of_entries(tmp_path, proof, number):
    path = tmp_path / "proof.json"
    proof.save(path)
    content = json.loads(path.read_text())
    del content["digest"]
    content["lines"][0][0][2][0] = number
    path.write_text(json.dumps(content | {"digest": _digest(content)}))
    with pytest.raises(PromisedCertificateError, match="is not a number of an entry"):
        load_promised(path)


def test_a_certificate_says_what_it_holds(proof):
    assert repr(proof).startswith(f"PromisedCertificate(value {proof.lower}, ")
    wide = replace(proof, upper=proof.upper + 1)
    assert "<= optimum, width 1)" in repr(wide) or "<= optimum, width 1," in repr(wide)
