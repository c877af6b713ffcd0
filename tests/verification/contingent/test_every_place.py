"""Every gain of contingent transfers at every place, of payments drawn at random, against plain loops."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from mechopt.core.errors import LimitError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification import exact as limits
from mechopt.verification.contingent import check
from mechopt.verification.contingent.check import check_contingent, truthful_outcome
from mechopt.verification.contingent.promises import lasting, promise_by_promise
from mechopt.verification.contingent.stage import Place, Sizes
from mechopt.verification.contingent.together import checked_together, promised
from mechopt.verification.contingent.tolerance import tolerances
from mechopt.verification.rounding import Answer, Status
from tests.interdependent_instances import distribution, random_environment
from tests.verification.contingent.raw_gains import SWEEPS, Given, Raw

SIZES = [(2, 3), (3, 2), (1, 2)]
KINDS = ["plain", "own", "later", "history", "reports", "together", "together one"]


def others(env, i, t):
    """Sizes of the others' signals."""
    shape = env.shape[min(t, env.stages - 1)]
    return tuple(size for j, size in enumerate(shape) if j != i)


LATE = {"late": ((2, 2), (1, 3), (2, 2)), "latest": ((2, 2), (1, 3), (2, 2), (2, 3))}


def late(seed, controlled, sizes=LATE["late"]):
    """For ever, several periods of data: the last one leads to itself."""
    rng = np.random.default_rng(seed)
    values = tuple(zip(*(rng.uniform(-1, 1, (2, 3, *size)) for size in sizes), strict=True))
    kernels = tuple(
        distribution(rng, (*((3,) if controlled else ()), *size), after)
        for size, after in zip(sizes, [*sizes[1:], sizes[-1]], strict=True)
    )
    cost = rng.uniform(0, 0.5, 3)
    return InterdependentTypes(
        values, kernels, distribution(rng, (), sizes[0]), cost=cost, horizon="infinite", discount=0.25
    )


@cache
def given(kind, horizon=3, seed=0, sizes=None, controlled=True):
    """Payments of a kind drawn at random, and a policy; actions 0, 1 and 2."""
    rng = np.random.default_rng(seed)
    if horizon in LATE:
        env = late(seed, controlled, LATE[horizon])
    else:
        sizes = list(sizes or SIZES[:horizon]) if horizon != "infinite" else (2, 3)
        env = random_environment(seed, sizes, horizon=horizon, discount=0.25, cost=True, controlled=controlled)
    agents, ends = range(env.agents), env.stages if env.infinite else env.stages - 1
    policy = tuple(rng.integers(0, 3, shape) for shape in env.shape)

    def table(i, t, *then, own=False):
        named = (env.shape[t][i],) if own else ()
        return rng.normal(size=(3, *others(env, i, t), *named, *(size for s in then for size in others(env, i, s))))

    last = None if env.infinite else tuple(rng.normal(size=env.shape[-1]) for _ in agents)
    parts = {"environment": env, "policy": policy, "last_payments": last}
    if kind == "history":
        payments = tuple(
            tuple(
                rng.normal(size=(*(k for s in range(t + 1) for k in (3, *others(env, i, s))), *others(env, i, t + 1)))
                for i in agents
            )
            for t in range(ends)
        )
        return Given(**parts, payments=payments, history=True)
    if kind == "reports":
        told = [[k for s in range(t + 1) for k in env.shape[s]] for t in range(ends)]
        payments = tuple(
            tuple(rng.normal(size=(*told[t], *others(env, i, t + 1))) for i in agents) for t in range(ends)
        )
        return Given(**parts, payments=payments, history=True, reports=True)
    if kind.startswith("together"):
        own, many = kind == "together own", 1 if kind == "together one" else 2
        far = [many if env.infinite else min(many, env.stages - 1 - t) for t in range(ends)]
        payments = tuple(
            tuple(table(i, t, *range(t + 1, t + 1 + far[t]), own=own) for i in agents) for t in range(ends)
        )
        return Given(**parts, payments=payments, together=many)
    payments = tuple(tuple(table(i, t, t + 1, own=kind == "own") for i in agents) for t in range(ends))
    if kind not in ("later", "short"):
        return Given(**parts, payments=payments)
    most = 1 if kind == "short" else 2
    ahead = [most if env.infinite else min(most, ends - 1 - t) for t in range(ends)]
    ahead = [1 + t % 2 for t in range(ends)] if horizon == "latest" else ahead
    later = tuple(
        tuple(tuple(table(i, t, t + 2 + k, own=i == 0) for k in range(ahead[t])) for i in agents) for t in range(ends)
    )
    return Given(**parts, payments=payments, later=later)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("sizes", [False, True], ids=["gains", "their-sizes"])
@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_every_history(kind, i, sizes):
    m = given(kind)
    found = check._found(Sizes.of(m) if sizes else m, i)
    raw = Raw(m, i, sizes)
    for t, (gains, strategy) in enumerate(zip(reversed(found.gains), reversed(found.strategy), strict=True)):
        expected, best = raw.over_histories(t)
        wide = kind not in ("plain", "own")
        assert (gains.agent, gains.period, len(gains.gain)) == (i, t, len(expected) if wide else 1)
        same(np.broadcast_to(gains.gain, expected.shape), expected)
        same(np.broadcast_to(strategy.reshape(-1, best.shape[1]), best.shape), best)
    same(found.first, [raw.value(0, (), p, p[i]) for p in raw.profiles(0)])


@pytest.mark.parametrize("i", [0, 1, 2])
def test_three_agents(i):
    m = given("own", 2, 3, ((2, 1, 3), (2, 2, 2)))
    found, raw = check._found(m, i), Raw(m, i)
    for t, gains in enumerate(reversed(found.gains)):
        same(np.broadcast_to(gains.gain, raw.over_histories(t)[0].shape), raw.over_histories(t)[0])


LONG = [
    (kind, horizon) for kind in ("later", "own", "together", "together own") for horizon in (3, 4, "infinite", "late")
]
ENDLESS = ("infinite", "late")


@cache
def long(kind, horizon):
    sizes = ((2, 3), (3, 2), (1, 2), (2, 2))[:horizon] if horizon not in ENDLESS else None
    return given(kind, horizon, 1, sizes)


def alone(m, i, transfers=None):
    transfers = transfers or m
    if not m.together:
        return promise_by_promise(transfers, i)
    return checked_together(transfers, i, lasting(transfers, i, promised) if m.environment.infinite else None)


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize(("kind", "horizon"), LONG)
def test_one_promise_at_a_time(kind, horizon, i):
    m = long(kind, horizon)
    found, raw = alone(m, i), Raw(m, i)
    for t, gains in enumerate(reversed(found.gains)):
        assert (gains.agent, gains.period) == (i, t)
        same(gains.gain[0], raw.by_promises(t))
    same(found.first, [raw.truth(0, p) for p in raw.profiles(0)])


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize(("kind", "horizon"), [pair for pair in LONG if pair[1] not in ENDLESS])
def test_sizes_of_one_promise_at_a_time(kind, horizon, i):
    m = long(kind, horizon)
    raw = Raw(m, i, sizes=True)
    for t, gains in enumerate(reversed(alone(m, i, Sizes.of(m)).gains)):
        same(gains.gain[0], raw.by_promises(t))


@pytest.mark.parametrize(
    ("kind", "horizon"),
    [
        *((kind, 3) for kind in (*KINDS, "together own")),
        *((kind, horizon) for kind in ("own", "later") for horizon in (*ENDLESS, "latest")),
    ],
)
def test_in_fractions(kind, horizon):
    m = given(kind, horizon)
    places = check.exact_places(m, np.zeros((m.environment.agents, m.environment.stages)))
    where = [(i, t) for i in range(m.environment.agents) for t in reversed(range(m.environment.stages))]
    for place, (i, t) in zip(places, where, strict=True):
        raw = Raw(m, i)
        gains = raw.by_promises(t) if m.environment.infinite else raw.over_histories(t)[0]
        assert float(place.answer.exact) == pytest.approx(gains.max(), rel=1e-12)
        lie = place.misreport
        if lie is None:
            assert gains.max() == 0
            continue
        assert (lie.agent, lie.period) == (i, t)
        assert lie.gain == pytest.approx(gains.max(), rel=1e-12)
        flat = np.ravel_multi_index(lie.signals, m.environment.shape[t])
        past = 0
        for s, profile in enumerate(lie.past):
            past = past * np.prod(m.environment.shape[s]) + np.ravel_multi_index(profile, m.environment.shape[s])
        table = gains.reshape(-1, *gains.shape[-2:])
        assert table[int(past), flat, lie.report] == pytest.approx(lie.gain, rel=1e-12)


def test_in_fractions_by_paths_for_ever():
    m = given("together own", "late", 2, controlled=False)
    where = [(i, t) for i in range(2) for t in (2, 1, 0)]
    for place, (i, t) in zip(check.exact_places(m, np.zeros((2, 3))), where, strict=True):
        assert float(place.answer.exact) == pytest.approx(Raw(m, i).by_promises(t).max(), rel=1e-12)
    with pytest.raises(LimitError, match="exact: payments by several periods together"):
        check.exact_places(given("together own", "late"), np.zeros((2, 3)))


def test_the_limit_of_fractions_is_that_of_the_products(monkeypatch):
    """By period: profiles, reports and the most next profiles; of each agent, by all pairs of promises and what is due
    at once; and an elimination in the last one, for ever."""
    m = given("later", "latest")
    products = 2 * 3**2 * 6 * (4 * 2 + 3 * 3 + 4 * 2 + 6 * 3) + 2 * 6**3
    monkeypatch.setattr(limits, "MAX_TERMS", products)
    check.exact_places(m, np.zeros((2, 4)))
    monkeypatch.setattr(limits, "MAX_TERMS", products - 1)
    with pytest.raises(LimitError, match=f"takes {products:,} products"):
        check.exact_places(m, np.zeros((2, 4)))


def test_where_all_is_0_nothing_is_rounded():
    even = np.full((2, 2, 2, 2), 0.25)
    env = InterdependentTypes(np.zeros((2, 1, 2, 2)), even, even[0, 0], horizon=2)
    nothing = (np.zeros((1, 2, 2)),) * 2
    policy = (np.zeros((2, 2), dtype=int),) * 2
    found = check_contingent(Given(env, policy, payments=(nothing,), last_payments=(np.zeros((2, 2)),) * 2))
    assert (found.status, found.gain, found.rounding, found.tolerance) == ("satisfied", 0, 0, 0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_payments_that_are_no_numbers_are_violations(number, exact):
    """One entry of one table, of the action that is always taken: of what is due next, later, or in the last period."""
    m = given("later")
    m = dataclasses.replace(m, policy=tuple(np.zeros_like(part) for part in m.policy))
    for change in ("payments", "later", "last"):
        row = {"payments": m.payments[1], "later": m.later[0][1], "last": m.last_payments}[change]
        wild = row[-1].copy()
        wild.flat[0] = number
        new = (*row[:-1], wild)
        if change == "payments":
            other = dataclasses.replace(m, payments=(m.payments[0], new, *m.payments[2:]))
        elif change == "later":
            other = dataclasses.replace(m, later=((m.later[0][0], new), *m.later[1:]))
        else:
            other = dataclasses.replace(m, last_payments=new)
        found = check_contingent(other, exact)
        assert (found.status, found.gain) == ("violated", np.inf)


@pytest.mark.parametrize("horizon", [3, "late"])
def test_what_the_truth_comes_to(horizon):
    m = given("later", horizon)
    env = m.environment
    raws = [Raw(m, i) for i in range(env.agents)]
    start = [(p, float(env.initial[p])) for p in raws[0].profiles(0)]
    welfare, utilities = truthful_outcome(m)
    worth = [raw.truth if env.infinite else lambda t, p, raw=raw: raw.value(0, (), p, p[raw.i]) for raw in raws]
    same(utilities, [sum(chance * of(0, p) for p, chance in start) for of in worth])
    total, reached, weight = 0.0, dict(start), 1.0
    for t in range(SWEEPS if env.infinite else horizon):
        s = raws[0].at(t)
        following = dict.fromkeys(raws[0].profiles(t + 1), 0.0) if env.infinite or t < horizon - 1 else {}
        for p, chance in reached.items():
            action = int(m.policy[s][p])
            total += weight * chance * (sum(own[s][(action, *p)] for own in env.values) - env.cost[action])
            for n, further in raws[0].after(t, p, p) if following else ():
                following[n] += chance * further
        reached, weight = following, weight * env.discount
    assert welfare == pytest.approx(total, rel=1e-12)


def test_promises_that_end_before_the_horizon():
    m = given("short", 4, 1, ((2, 1), (1, 2), (2, 2), (2, 1)))
    exact = iter(check.exact_places(m, np.zeros((2, 4))))
    for i in (0, 1):
        found, raw = check._found(m, i), Raw(m, i)
        for gains in found.gains:
            expected = raw.over_histories(gains.period)[0]
            same(gains.gain, expected)
            assert float(next(exact).answer.exact) == pytest.approx(max(expected.max(), 0), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_place_in_relation_to_its_tolerance(kind):
    m = given(kind)
    found, allowed = check_contingent(m), tolerances(m.environment)
    tables = {(i, t): Raw(m, i).over_histories(t) for i in (0, 1) for t in range(3)}
    ratios = {place: table.max() / allowed[place] for place, (table, _) in tables.items()}
    worst = max(ratios, key=ratios.get)
    lie = found.counterexample
    assert (lie.agent, lie.period) == worst and found.tolerance == allowed[worst]
    assert found.gain == lie.gain == pytest.approx(tables[worst][0].max(), rel=1e-12)
    assert found.largest == pytest.approx(max(table.max() for table, _ in tables.values()), rel=1e-12)
    assert found.strategy_gain == pytest.approx(max(best.max() for _, best in tables.values()), rel=1e-12)
    shapes, at = m.environment.shape, 0
    for s, profile in enumerate(lie.past):
        at = at * np.prod(shapes[s]) + np.ravel_multi_index(profile, shapes[s])
    signals = np.ravel_multi_index(lie.signals, shapes[lie.period])
    assert len(lie.past) == (0 if kind in ("plain", "own") else lie.period)
    assert tables[worst][0][int(at), signals, lie.report] == pytest.approx(lie.gain, rel=1e-12)


def test_how_many_histories_there_are(monkeypatch):
    m = given("later", 3, 0, ((2, 3), (2, 1), (1, 5)))
    # by period: histories and profiles, reports, next profiles
    assert check._entries(m.environment) == max(6 * 3 * 2, 12 * 2 * 5, 60 * 5)
    late_many = given("later", 3, 0, ((2, 3), (2, 2), (1, 1)))
    assert check._entries(late_many.environment) == max(6 * 3 * 4, 24 * 2 * 1, 24 * 1)
    monkeypatch.setattr(check, "MAX_ENTRIES", 300)
    assert check_contingent(m).strategy_gain is not None
    monkeypatch.setattr(check, "MAX_ENTRIES", 299)
    assert check_contingent(m).strategy_gain is None
    raw = Raw(m, 0)
    for gains in check._found(m, 0).gains:
        same(gains.gain[0], raw.by_promises(gains.period))
    monkeypatch.setattr(check, "MAX_ENTRIES", 1)
    with pytest.raises(LimitError, match="above 1 entries"):
        check_contingent(given("reports"))
    plain, together = given("plain"), given("together")
    assert check_contingent(plain).strategy_gain is not None
    same(check._found(together, 1).gains[-1].gain[0], Raw(together, 1).by_promises(0))


def test_which_of_two_places_is_worse():
    def place(status, gain, rounding=0.0, tolerance=1.0):
        return Place(Answer(status, gain, rounding, None), tolerance, gain, None).severity()

    satisfied, undecided, violated = Status.SATISFIED, Status.UNDECIDED, Status.VIOLATED
    assert place(satisfied, 9.0) < place(undecided, 0.5) < place(violated, 0.1)
    assert place(satisfied, 1.0) == place(satisfied, 1.0, 7.0) < place(satisfied, 2.0)
    assert place(undecided, 1.0, 1.0) < place(undecided, 0.5, 2.0) < place(undecided, 3.0, 0.0)
    assert place(violated, 3.0, 2.0) < place(violated, 2.0, 0.0) < place(violated, 3.0, 0.5)
    assert place(violated, 2.0, 0.0, 4.0) < place(violated, 1.0, 0.0, 1.0)
    assert place(satisfied, 0.0, 0.0, 0.0) == (0, 0.0)
    assert place(violated, 1e-9, 0.0, 0.0) == (2, float("inf"))
