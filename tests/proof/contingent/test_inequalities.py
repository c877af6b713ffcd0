"""Every inequality of contingent transfers against its definition, with unknowns drawn at random.

The rows are evaluated at any values, payments and fees; what comes out must be the definition's left side less its
right side, computed here from the environment alone.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError, Weighted
from mechopt.proof.contingent.inequalities import Checker

DISCOUNT = Fraction(9, 10)
SHAPES = {
    "three-periods": (3, [(2, 3), (3, 1), (2, 2)]),
    "four-periods": (4, [(2, 1), (1, 2), (2, 1), (1, 2)]),
    "one-period": (1, [(2, 3)]),
    "infinite": ("infinite", [(2, 3)]),
    "infinite-after-one": ("infinite", [(2, 1), (2, 3)]),
    "infinite-after-two": ("infinite", [(2, 1), (1, 2), (2, 2)]),
}


def drawn(rng, lead, after):
    weights = rng.integers(0, 5, (*lead, int(np.prod(after)))) + (np.arange(int(np.prod(after))) == 0)
    flat = [[Fraction(int(n), int(row.sum())) for n in row] for row in weights.reshape(-1, weights.shape[-1])]
    return np.array(flat, dtype=object).reshape(*lead, *after)


def environment(shape, controlled=True, seed=0):
    """Unequal sizes by period, chances of zero, costs by period; actions move the signals, in some periods only."""
    rng = np.random.default_rng(seed)
    horizon, shapes = SHAPES[shape]
    following = [*shapes[1:], shapes[-1]] if horizon == "infinite" else shapes[1:]
    values = [[rng.integers(-3, 6, (2, *size)).tolist() for size in shapes] for _ in shapes[0]]
    kernels = []
    for t, (size, after) in enumerate(zip(shapes, following, strict=False)):
        moved = controlled if isinstance(controlled, bool) else controlled[t]
        distribution = drawn(rng, (2, *size) if moved else size, after)
        kernels.append((distribution if moved else np.stack([distribution, distribution])).tolist())
    cost = [[f"{t}/3", f"{1 + t}/2"] for t in range(len(shapes))]
    return InterdependentTypes(
        values, kernels, drawn(rng, (), shapes[0]).tolist(), cost=cost, horizon=horizon, discount=DISCOUNT
    )


def claim(env, form="free", last="efficient", kernels=None, seed=1, **asked):
    """Any rule and any surplus."""
    rng = np.random.default_rng(seed)
    sizes = [int(np.prod(shape)) for shape in env.shape]
    policy = [[int(a) for a in rng.integers(0, 2, size)] for size in sizes]
    if last == "constant":
        policy[-1] = [1] * sizes[-1]
    demands = {"participation": None, "outside": ["1/7", "-2"], "fee": True, "cap": None, "balance": None, "form": form}
    surplus = [[Fraction(int(n), 3) for n in rng.integers(-9, 9, size)] for size in sizes]
    return TransferProof(
        env.fingerprint, "none" if env.infinite else last, False, demands | asked, policy, surplus, [],
        kernels=kernels or {},
    )  # fmt: skip


class Numbers:
    """Unknowns drawn at random, and the definitions."""

    def __init__(self, checker, seed=2):
        self.c, self.rng, self.known = checker, np.random.default_rng(seed), {}
        self.env, self.exact, self.form = checker.env, checker.env.exact, checker.proof.asked["form"]
        self.last = None if self.env.infinite else self.env.stages - 1

    def __getitem__(self, key):
        if key not in self.known:
            self.known[key] = Fraction(int(self.rng.integers(-20, 20)), 4)
        return self.known[key]

    def at(self, row):
        return sum((x * self[key] for key, x in row.coefficients.items()), Fraction(0)) - row.side

    def after(self, t):
        return t if self.env.infinite and t + 1 == self.env.stages else t + 1

    def got(self, i, t, told, s):
        return self.exact.values[i][t][(self.c.policy[t][told], *s)]

    def value(self, i, t, s):
        if t == self.last:
            return self.got(i, t, s, s) - (0 if self.c.proof.last == "constant" else self["q", i, s])
        if self.form == "free":
            return self["V", i, t, s]
        surplus = self.c.proof.surplus[t][self.c.profiles[t].index(s)]
        return surplus - (self["h", i, t, others(s, i)] if self.form == "vcg" else 0)

    def worth(self, i, t, told, s):
        """Of a report: what is got, and the truth's value later less payments by the report."""
        total = Fraction(self.got(i, t, told, s))
        for n in product(*map(range, self.env.shape[self.after(t)])):
            p = self.exact.kernel[t][(self.c.policy[t][told], *s, *n)]
            total += DISCOUNT * p * (self.value(i, self.after(t), n) - self["p", i, t, told, others(n, i)])
        return total


def others(s, i):
    return tuple(k for j, k in enumerate(s) if j != i)


def with_report(s, i, r):
    return tuple(r if j == i else k for j, k in enumerate(s))


@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize("form", ["free", "vcg", "surplus"])
@pytest.mark.parametrize("shape", SHAPES)
def test_incentives(shape, form, last):
    env = environment(shape)
    checker = Checker(env, claim(env, form, last))
    known = Numbers(checker)
    for i in range(2):
        for t, size in enumerate(env.shape):
            for s in product(*map(range, size)):
                for report in range(size[i]):
                    told, row = with_report(s, i, report), checker.incentive(i, t, s, report)
                    if t == known.last:
                        paid = 0 if last == "constant" else known["q", i, s] - known["q", i, told]
                        assert known.at(row) == known.got(i, t, s, s) - known.got(i, t, told, s) - paid
                        assert not row.equal
                    else:
                        assert known.at(row) == known.value(i, t, s) - known.worth(i, t, told, s)
                        assert row.equal is (told == s)


@pytest.mark.parametrize("fee", [True, False])
@pytest.mark.parametrize("form", ["free", "vcg", "surplus"])
@pytest.mark.parametrize("shape", SHAPES)
def test_participation(shape, form, fee):
    env = environment(shape)
    first = list(product(*map(range, env.shape[0])))
    for how in ("ex-ante", "interim", "ex-post"):
        checker = Checker(env, claim(env, form, fee=fee, participation=how))
        known = Numbers(checker)
        for i, outside in enumerate((Fraction(1, 7), Fraction(-2))):
            groups = {"ex-ante": [first], "interim": [[s for s in first if s[i] == k] for k in range(env.shape[0][i])]}
            for number, group in enumerate(groups.get(how, [[s] for s in first])):
                weights = {s: Fraction(1) if how == "ex-post" else env.exact.initial[s] for s in group}
                due = outside + (known["fee", i] if fee else 0)
                gained = sum(w * (known.value(i, 0, s) - due) for s, w in weights.items())
                assert known.at(checker.participation(i, number)) == gained
    with pytest.raises(TransferProofError, match="participation: 'never' is not known"):
        Checker(env, claim(env, form, participation="never")).participation(0, 0)


@pytest.mark.parametrize("fee", [True, False])
@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize("shape", SHAPES)
def test_balance(shape, last, fee):
    env = environment(shape)
    for how in ("weak", "strong"):
        checker = Checker(env, claim(env, last=last, fee=fee, balance=how))
        known = Numbers(checker)
        for t in range(env.stages + (2 if env.infinite else 0)):
            at, past = min(t, env.stages - 1), min(t - 1, env.stages - 1)
            for before, b in enumerate(checker.profiles[past] if t else [None]):
                for then, s in enumerate(checker.profiles[at]):
                    row = checker.balance(t, before, then)
                    paid = sum(known["fee", i] for i in range(2)) if fee and not t else Fraction(0)
                    paid += sum(known["p", i, past, b, others(s, i)] for i in range(2)) if t else 0
                    if t == known.last and last == "efficient":
                        paid += sum(known["q", i, s] for i in range(2))
                    assert known.at(row) == paid - cost(env, at, checker.policy[at][s])
                    assert row.equal is (how == "strong")
        with pytest.raises(TransferProofError, match=r"balance: .* is not known, or there is no period -1"):
            checker.balance(-1, 0, 0)
        for what, row in checker._balances():
            assert row == checker.balance(int(what[-1]), *found(checker, int(what[-1]), row))
    with pytest.raises(TransferProofError, match="balance: 'never' is not known"):
        Checker(env, claim(env, balance="never")).balance(0, 0, 0)


def cost(env, t, action):
    by_period = env.exact.cost if isinstance(env.exact.cost[0], tuple) else [env.exact.cost] * env.stages
    return by_period[t][action]


def found(checker, t, row):
    """Which profiles a row of a period is about."""
    at, past = min(t, len(checker.profiles) - 1), min(t - 1, len(checker.profiles) - 1)
    pairs = product(range(len(checker.profiles[past]) if t else 1), range(len(checker.profiles[at])))
    return next(pair for pair in pairs if checker.balance(t, *pair) == row)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_balances_are_asked_for(shape):
    """At each first profile, and at each pair of profiles that follow each other."""
    env = environment(shape)
    checker = Checker(env, claim(env, balance="weak"))
    sizes = [len(profiles) for profiles in checker.profiles]
    following = [*sizes[1:], sizes[-1]] if env.infinite else sizes[1:]
    expected = {"period 0": sizes[0]}
    expected |= {f"period {t + 1}": a * b for t, (a, b) in enumerate(zip(sizes, following, strict=False))}
    listed = [what for what, _ in checker._balances()]
    assert {what: listed.count(what) for what in listed} == expected


@pytest.mark.parametrize("fee", [True, False])
@pytest.mark.parametrize("form", ["free", "vcg", "surplus"])
@pytest.mark.parametrize("shape", SHAPES)
def test_expected_balance(shape, form, fee):
    """Surplus less what the truth is worth to the agents is what they pay less what actions cost."""
    env = environment(shape)
    checker = Checker(env, claim(env, form, fee=fee, balance="ex-ante"))
    known = Numbers(checker)
    ((_, row),) = checker._balances()
    assert row == checker.balance(-1, 0, 0) and not row.equal
    left = sum(known["fee", i] for i in range(2)) if fee else Fraction(0)
    for n, s in enumerate(checker.profiles[0]):
        left += env.exact.initial[s] * (checker.proof.surplus[0][n] - sum(known.value(i, 0, s) for i in range(2)))
    assert known.at(row) == left


@pytest.mark.parametrize("last", ["efficient", "constant"])
@pytest.mark.parametrize("shape", SHAPES)
def test_payments_are_those_of_every_period(shape, last):
    env = environment(shape)
    checker = Checker(env, claim(env, last=last, fee=False))
    for i in range(2):
        expected = {
            ("p", i, t, s, others(n, i))
            for t in range(len(env.kernel))
            for s in checker.profiles[t]
            for n in checker.profiles[min(t + 1, env.stages - 1)]
        }
        if not env.infinite and last == "efficient":
            expected |= {("q", i, s) for s in checker.profiles[-1]}
        assert sorted(map(str, checker.paid(i))) == sorted(map(str, expected))


# --- rows of a refusal ---


NOT_THERE = {  # of an environment with three periods, the first of 2 x 3 signals
    "agent-too-high": ("misreport", 2, 0, 0, 1, "an agent, a profile or a report"),
    "agent-below": ("misreport", -1, 0, 0, 1, "an agent, a profile or a report"),
    "agent-below-in-a-cap": ("cap", -1, 0, 0, 1, "an agent, a profile or a report"),
    "agent-too-high-in-a-balance": ("balance", 2, 0, 0, 1, "an agent, a profile or a report"),
    "profile-below": ("misreport", 0, 0, -1, 1, "an agent, a profile or a report"),
    "report-below": ("misreport", 0, 0, 0, -1, "an agent, a profile or a report"),
    "report-too-high": ("misreport", 0, 0, 0, 2, "a report does not exist"),
    "report-too-high-of-the-other": ("truth", 1, 0, 0, 3, "a report does not exist"),
    "report-too-high-at-the-end": ("last", 0, 2, 0, 2, "a report does not exist"),
    "period-too-late": ("misreport", 0, 3, 0, 1, "there is no period 3"),
    "period-too-early": ("misreport", 0, -1, 0, 1, "there is no period -1"),
    "period-too-late-in-a-balance": ("balance", 0, 3, 0, 1, "there is no period 3"),
    "period-too-early-in-a-balance": ("balance", 0, -2, 0, 1, "there is no period -2"),
    "kind": ("gift", 0, 0, 0, 1, "'gift' is none of truth, misreport"),
}


@pytest.mark.parametrize("name", NOT_THERE)
def test_rows_that_do_not_exist(name):
    env = environment("three-periods")
    checker = Checker(env, claim(env, balance="weak", cap="1"))
    kind, agent, period, profile, report, words = NOT_THERE[name]
    with pytest.raises(TransferProofError, match=words):
        checker._row(Weighted(Fraction(1), kind, agent, period, profile, report), {})


def test_rows_that_exist():
    env = environment("three-periods")
    checker = Checker(env, claim(env, balance="weak", cap="3/2", participation="interim"))
    expected = {
        ("misreport", 1, 0, 5, 2): checker.incentive(1, 0, (1, 2), 2),
        ("last", 1, 2, 1, 0): checker.incentive(1, 2, (0, 1), 0),
        ("participation", 1, 0, 2, 0): checker.participation(1, 2),
        ("balance", 0, 2, 1, 3): checker.balance(2, 1, 3),
        ("balance", -1, 2, 1, 3): checker.balance(2, 1, 3),
    }
    for share, row in expected.items():
        assert checker._row(Weighted(Fraction(1), *share), {}) == row
    for number, key in enumerate(checker.paid(1)):
        for report, sign in ((0, -1), (1, 1)):
            row = checker._row(Weighted(Fraction(1), "cap", 1, 0, number, report), {})
            assert row == ({key: sign}, -Fraction(3, 2), False)  # neither below -3/2 nor above it
    endless = environment("infinite")
    later = Checker(endless, claim(endless, balance="weak"))
    assert later._row(Weighted(Fraction(1), "balance", 0, 5, 0, 1), {}) == later.balance(1, 0, 1)
