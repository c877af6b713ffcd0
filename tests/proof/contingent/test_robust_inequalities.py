"""The inequalities for every kernel of a set against their definitions; the worst kernel against linear programs."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.proof.contingent.file import TransferProofError, Weighted
from mechopt.proof.contingent.robust import RobustChecker
from tests.proof.contingent.test_inequalities import (
    DISCOUNT,
    Numbers,
    claim,
    drawn,
    environment,
    others,
    with_report,
)

BALL = {"kind": "ball", "radius": "1/2"}


def robust(shape, controlled=True, last="efficient", kernels=BALL):
    env = environment(shape, controlled)
    checker = RobustChecker(env, claim(env, last=last, fee=False, kernels=kernels))
    return env, checker, Numbers(checker)


def expectation(checker, t, distribution, of):
    return sum(q * of(n) for q, n in zip(distribution, checker.profiles[checker.following(t)], strict=True))


def at(known, row, distribution):
    """Left side less right side at a distribution."""
    left = sum((x * known[key] for key, x in row.outside.items()), Fraction(0)) - row.side

    def inside(then):
        coefficients, constant = row.inside(then)
        return sum((x * known[key] for key, x in coefficients.items()), constant)

    return left + DISCOUNT * expectation(known.c, row.period, distribution, inside)


def bound(known, which, i, t, s):
    return known.value(i, t, s) if t == known.last else known[which, i, t, s]


CONTROLLED = {
    "three-periods": [(True, True), (True, False), (False, True), (False, False)],
    "four-periods": [(False, True, False)],
    "infinite": [True, False],
    "infinite-after-one": [(True, False), (False, True), (False, False)],
}


@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize(("shape", "controlled"), [(s, c) for s, listed in CONTROLLED.items() for c in listed])
def test_robust_inequalities(shape, controlled, last):
    env, checker, known = robust(shape, controlled, last)
    moved = [controlled] * len(env.kernel) if isinstance(controlled, bool) else controlled
    assert checker.controlled == list(moved) and checker.together is any(moved)
    rng = np.random.default_rng(5)
    for t, i in product(range(len(env.kernel)), range(2)):
        after = known.after(t)
        for s in checker.profiles[t]:
            distribution = drawn(rng, (), (len(checker.profiles[after]),)).tolist()

            def mean(of, t=t, distribution=distribution):
                return DISCOUNT * expectation(checker, t, distribution, of)

            def due(told, n, i=i, t=t):
                return known["p", i, t, told, others(n, i)]

            for which, sign in (("L", 1), ("U", -1)):
                worth = mean(lambda n, w=which, i=i, a=after, s=s: bound(known, w, i, a, n) - due(s, n))
                row = checker.bound_row(which, i, t, s)
                assert (row.period, row.action, row.profile) == (t, checker.policy[t][s], s)
                assert at(known, row, distribution) == sign * (known.got(i, t, s, s) + worth - known[which, i, t, s])
            for report in range(env.shape[t][i]):
                told = with_report(s, i, report)
                row, paid = checker.misreport_row(i, t, s, report), mean(lambda n, m=told, s=s: due(m, n) - due(s, n))
                gap = known.got(i, t, s, s) - known.got(i, t, told, s)
                if checker.policy[t][told] == checker.policy[t][s]:
                    assert at(known, row, distribution) == paid
                elif moved[t]:
                    less = mean(lambda n, m=told, i=i, a=after: bound(known, "U", i, a, n) - due(m, n))
                    assert at(known, row, distribution) == known["L", i, t, s] - known.got(i, t, told, s) - less
                    assert row.action == checker.policy[t][told]
                else:
                    apart = mean(lambda n, i=i, a=after: bound(known, "L", i, a, n) - bound(known, "U", i, a, n))
                    assert at(known, row, distribution) == gap + paid + (apart if any(moved[after:]) else 0)


def test_an_inequality_at_a_distribution():
    """What a refusal adds up, with what is got in the last period."""
    _, checker, known = robust("three-periods", (True, True), "constant")
    for t, i in product((0, 1), (0, 1)):
        for kind, report in (("bound", 0), ("bound", 1), ("misreport", 0), ("misreport", 1)):
            for n, s in enumerate(checker.profiles[t]):
                if kind == "misreport" and (report == s[i] or report >= checker.env.shape[t][i]):
                    continue
                of = checker.bound_row("LU"[report], i, t, s) if kind == "bound" else None
                row = of or checker.misreport_row(i, t, s, report)
                given = checker._given(t, row.action, s)
                found, side = checker._combined(Weighted(Fraction(1), kind, i, t, n, report), given)
                assert sum(x * known[key] for key, x in found.items()) - side == at(known, row, given)


def plain(env, change):
    """A table for each period, as files have it."""
    return [
        [[[str(change(x, n)) for n, x in enumerate(table[(a, *s)].ravel())] for s in np.ndindex(shape)] for a in (0, 1)]
        for table, shape in zip(env.exact.kernel, env.shape, strict=False)
    ]


def sets(env):
    """A ball, a box around the kernel within [0, 1], and a hull of corners and the kernel."""
    return {
        "ball": BALL,
        "box": {
            "kind": "box",
            "lower": plain(env, lambda x, n: max(x - Fraction(1, 9), Fraction(0))),
            "upper": plain(env, lambda x, n: min(x + Fraction(1 + n, 8), Fraction(1))),
        },
        "hull": {"kind": "hull", "kernels": [plain(env, lambda x, n, k=k: int(n == k)) for k in (0, 1)]},
    }


@pytest.mark.parametrize("kind", ["ball", "box", "hull"])
@pytest.mark.parametrize("radius", ["1/2", "2", "1/50"])
def test_the_worst_of_a_set(kind, radius):
    """Against linear programs; a vertex of a hull, or the model's kernel."""
    env = environment("infinite", seed=3)
    kernels = sets(env)[kind]
    checker = RobustChecker(
        env, claim(env, fee=False, kernels=kernels | ({"radius": radius} if kind == "ball" else {}))
    )
    rng = np.random.default_rng(0)
    for action, s in product((0, 1), checker.profiles[0]):
        own = checker._given(0, action, s)
        worth = [Fraction(int(n)) for n in rng.integers(-5, 6, len(own))]
        center, count = np.array(own, dtype=float), len(own)
        if kind == "hull":
            lowest = min(float(np.dot(center, np.array(worth, float))), float(worth[0]), float(worth[1]))
        else:
            # columns q, and for a ball u >= |q - own|
            cost, box = (
                np.concatenate([np.array(worth, float), np.zeros(count)]),
                [(0, 1)] * count + [(0, None)] * count,
            )
            upper = np.block([[np.eye(count), -np.eye(count)], [-np.eye(count), -np.eye(count)]])
            upper = np.vstack([upper, np.concatenate([np.zeros(count), np.ones(count)])])
            sides = [*center, *-center, float(checker.radius)]
            if kind == "box":
                low, high = (checker._at(table, 0, action, s) for table in checker.sides)
                box = [(float(a), float(b)) for a, b in zip(low, high, strict=True)] + [(0, None)] * count
                sides = [*center, *-center, 9.0]
            total = np.concatenate([np.ones(count), np.zeros(count)])[None]
            lowest = linprog(cost, upper, sides, total, [1.0], bounds=box).fun
        assert float(checker._smallest(0, action, s, worth)) == pytest.approx(lowest, abs=1e-12)


def test_what_is_inside_a_set():
    env = environment("infinite", seed=3)
    s = (0, 0)
    for kind, given in sets(env).items():
        kernels = {"kind": "ball", "radius": "1/5"} if kind == "ball" else given
        checker = RobustChecker(env, claim(env, fee=False, kernels=kernels))
        own = checker._given(0, 0, s)
        top = max(range(len(own)), key=own.__getitem__)
        assert checker._inside(0, 0, s, own)
        assert not checker._inside(0, 0, s, own[:-1]) and not checker._inside(0, 0, s, [*own, Fraction(0)])
        assert not checker._inside(0, 0, s, [x / 2 for x in own])
        below = list(own)  # sums to 1, near, and below 0 somewhere
        low = min(range(len(own)), key=own.__getitem__)
        below[low], below[top] = -Fraction(1, 100), own[top] + own[low] + Fraction(1, 100)
        assert not checker._inside(0, 0, s, below)
        moved = list(own)
        step = checker.radius / 2 if kind == "ball" else Fraction(1, 9)
        moved[top], moved[low] = own[top] - step, own[low] + step
        assert checker._inside(0, 0, s, moved) is (kind != "hull")
        further = list(moved)
        further[top], further[low] = moved[top] - Fraction(1, 999), moved[low] + Fraction(1, 999)
        assert not checker._inside(0, 0, s, further) or kind == "box"
        corner = [Fraction(int(n == 1)) for n in range(len(own))]
        assert checker._inside(0, 0, s, corner) is (kind == "hull")
    last = RobustChecker(env, claim(env, fee=False, kernels=sets(env)["box"]))
    low, high = (last._at(table, 0, 0, s) for table in last.sides)
    for side in (low, high):
        edge = list(side)
        edge[0] += 1 - sum(side)
        inside = all(a <= x <= b for a, x, b in zip(low, edge, high, strict=True))
        assert last._inside(0, 0, s, edge) is inside


BAD_SETS = {
    "kind": ({"kind": "star"}, "'star' is none of ball, box, hull"),
    "radius-above": ({"kind": "ball", "radius": "5/2"}, "or the radius is wrong"),
    "radius-below": ({"kind": "ball", "radius": "-1/2"}, "or the radius is wrong"),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_sets_that_are_none(name):
    given, words = BAD_SETS[name]
    env = environment("infinite")
    with pytest.raises(TransferProofError, match=words):
        RobustChecker(env, claim(env, fee=False, kernels=given))


def test_vertices_are_distributions():
    env = environment("infinite")
    for change in (
        lambda x, n: Fraction(2, 7) if n else Fraction(0),  # sums to 10/7
        lambda x, n: [Fraction(-1, 9), Fraction(10, 9), 0, 0, 0, 0][n],
        lambda x, n: 0,
    ):
        checker = RobustChecker(env, claim(env, fee=False, kernels={"kind": "hull", "kernels": [plain(env, change)]}))
        with pytest.raises(TransferProofError, match="a vertex is not a distribution"):
            checker._check_set()
    RobustChecker(env, claim(env, fee=False, kernels=sets(env)["hull"]))._check_set()  # zeros are chances
    narrow = sets(env)["box"] | {"upper": plain(env, lambda x, n: x if n else x / 2)}
    with pytest.raises(TransferProofError, match="the model's kernel is not in the set"):
        RobustChecker(env, claim(env, fee=False, kernels=narrow))._check_set()
