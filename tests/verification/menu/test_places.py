"""Menus with fees, prices, choices and purchases of all kinds: every gain by plain loops in fractions."""

import dataclasses
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.virtual.contract import OptimalContract
from mechopt.closedform.virtual.diagnosis import Contract
from mechopt.verification import exact as limits
from mechopt.verification.menu.check import _gains, _uses, menu_checks, verify_menu
from mechopt.verification.menu.exact import exact_uses

BAYESIAN, INTERIM, PERIODIC = NAMES = (mo.BayesianIC(), mo.Interim(), mo.PeriodicIR())
TYPES, SIGNALS, ACTIONS, CONTRACTS = 3, 2, 3, 2


def row(rng, count, zeros=False):
    weights = rng.integers(0 if zeros else 1, 4, count)
    weights[int(rng.integers(count))] += 1
    return [Fraction(int(w), int(weights.sum())) for w in weights]


def numbers(rng, shape):
    """Of both signs, in sixteenths: exact in floats."""
    return rng.integers(-24, 25, shape) / 16


def instance(seed, horizon, scale=1):
    """A menu of two contracts that somebody has written: nothing in it follows from anything else."""
    rng = np.random.default_rng(seed)
    moved = bool(seed % 2)
    kernel = [[row(rng, SIGNALS, True) for _ in range(SIGNALS)] for _ in range(ACTIONS if moved else 1)]
    base = [[Fraction(int(v), 3) * scale for v in rng.integers(-4, 5, SIGNALS)] for _ in range(ACTIONS)]
    env = mo.SeparableTypes(
        [[scale * k for k in (1, 2, 4)]],
        [["1/3"] * TYPES],
        [base],
        [[1, 0] if seed % 3 == 0 else row(rng, SIGNALS)],
        [kernel if moved else kernel[0]],
        cost=[0] * ACTIONS,
        horizon=horizon,
        discount="3/4",
    )
    periods = 1 if horizon == "infinite" else horizon
    by_period = seed % 4 < 2 and horizon != "infinite"
    offers = tuple(Contract(0.0, float(fee)) for fee in numbers(rng, CONTRACTS) / 4)
    prices = tuple(numbers(rng, (periods, ACTIONS) if by_period else ACTIONS) for _ in range(CONTRACTS))
    choice, nothing = rng.integers(-1 if seed % 5 == 0 else 0, CONTRACTS, TYPES), np.zeros(TYPES)
    menu = OptimalContract(env, offers, choice, nothing, nothing, 0.0, prices, None)
    bought = rng.integers(0, ACTIONS, (CONTRACTS, TYPES, periods, SIGNALS))
    if seed % 6 < 4:  # with what is best where no report is at stake, as a menu buys itself
        return menu
    menu.__dict__["purchases"] = tuple(tuple(tuple(part) for part in rows) for rows in bought)
    return menu


def kernel_of(env, a):
    table = env.exact.signal_kernel[0]
    return table[a if len(table) > 1 else 0]


def followed(menu, c, k, policy):
    """Values by period and signal of purchases ``policy[t][z]``; for ever, by the two equations of two signals."""
    env, rows = menu.environment, []
    d, price = Fraction(env.exact.discount), np.asarray(menu.prices[c])

    def flow(t, z):
        a = int(policy[t][z])
        return Fraction(env.exact_value_tables[0][a][k][z]) - Fraction(
            float(price[t, a] if price.ndim == 2 else price[a])
        )

    def moves(t, z):
        return [Fraction(p) for p in kernel_of(env, int(policy[t][z]))[z]]

    if env.infinite:
        (a, b), (e, f) = ([(z == y) - d * p for y, p in enumerate(moves(0, z))] for z in (0, 1))
        left, right = flow(0, 0), flow(0, 1)
        return [[(f * left - b * right) / (a * f - b * e), (a * right - e * left) / (a * f - b * e)]]
    after = [Fraction(0)] * SIGNALS
    for t in reversed(range(env.horizon)):
        after = [flow(t, z) + d * sum(p * v for p, v in zip(moves(t, z), after, strict=True)) for z in range(SIGNALS)]
        rows.insert(0, after)
    return rows


def best_value(menu, c, k):
    """First signals' values of the best policy, which is best at all of them: all policies are tried."""
    periods = 1 if menu.environment.infinite else menu.environment.horizon
    plans = product(product(range(ACTIONS), repeat=SIGNALS), repeat=periods)
    return [max(column) for column in zip(*(followed(menu, c, k, plan)[0] for plan in plans), strict=True)]


def gains(menu):
    """By constraint: (lower end, upper end, period, type, report)."""
    env = menu.environment
    d, law = Fraction(env.exact.discount), [Fraction(p) for p in env.exact.signal_initial[0]]
    found = {name: [] for name in NAMES}

    def net(values, c):
        return d * sum(p * v for p, v in zip(law, values, strict=True)) - Fraction(menu.menu[c].upfront)

    def truth(k, r):
        c = int(menu.choice[r])
        return Fraction(0) if c < 0 else net(followed(menu, c, k, menu.purchases[c][r])[0], c)

    for k in range(TYPES):
        honest, c = truth(k, k), int(menu.choice[k])
        for r in range(TYPES):
            c_r = int(menu.choice[r])
            most = Fraction(0) if c_r < 0 else net(best_value(menu, c_r, k), c_r)
            found[BAYESIAN].append((truth(k, r) - honest, most - honest, 0, k, r))
        for name in (INTERIM, PERIODIC):
            found[name].append((-honest, -honest, 0, k, k))
        if c >= 0:
            own, reached = followed(menu, c, k, menu.purchases[c][k]), {z for z in range(SIGNALS) if law[z]}
            for t in range(SIGNALS if env.infinite else env.horizon):
                at = 0 if env.infinite else t
                found[PERIODIC] += [(-(d ** (1 + t)) * own[at][z],) * 2 + (1 + t, k, k) for z in reached]
                policy = menu.purchases[c][k][at]
                moves = {z: kernel_of(env, int(policy[z]))[z] for z in reached}
                reached = {y for z in reached for y in range(SIGNALS) if moves[z][y]}
    return found


def agrees(seed, horizon):
    menu = instance(seed, horizon)
    env, all_gains, answers = menu.environment, gains(menu), []
    d = Fraction(env.exact.discount)
    weight = d / (1 - d) if env.infinite else sum(d ** (1 + t) for t in range(env.horizon))
    tolerance = 1e-8 * float(weight * max(abs(Fraction(v)) for v in np.ravel(env.exact_value_tables[0])))
    exact, found = (menu_checks(menu, NAMES, exact) for exact in (True, False))
    for name, places in all_gains.items():
        low, high = (max(place[end] for place in places) for end in (0, 1))
        wanted = "violated" if low > tolerance else "satisfied" if high <= tolerance else "undecided"
        one, other = exact[name], found[name]
        assert (one.status, other.status) == (wanted, wanted)
        assert one.tolerance == other.tolerance == pytest.approx(tolerance, rel=1e-12)
        assert one.exact == {"violated": low, "satisfied": max(high, 0), "undecided": None}[wanted]
        assert one.gain == float({"violated": low, "satisfied": max(high, 0), "undecided": max(low, 0)}[wanted])
        assert one.rounding == pytest.approx(float(high - max(low, 0)) if wanted == "undecided" else 0, abs=0)
        end = low if wanted == "violated" else max(high, 0)
        sign = -1 if wanted == "violated" else 1
        assert other.gain + sign * other.rounding == pytest.approx(float(end), abs=1e-11)
        assert sign * (Fraction(other.gain) + sign * Fraction(other.rounding) - end) >= 0  # on the safe side
        for check in (one, other):
            assert (check.counterexample is None) == (wanted == "satisfied")
            if wanted != "satisfied":
                example = check.counterexample
                at = (example.period, example.true_type, example.report)
                assert any(place[2:] == at and place[wanted == "undecided"] == end for place in places)
                assert (example.agent, example.history, example.gain) == (0, (), check.gain)
        answers.append((name.name, wanted))
    return answers


@pytest.mark.parametrize("horizon", [1, 2, "infinite"])
def test_every_gain_is_that_of_loops(horizon):
    answers = {answer for seed in range(24) for answer in agrees(seed, horizon)}
    for name in ("interim", "periodic"):
        assert {(name, "satisfied"), (name, "violated")} <= answers
    assert ("bayesian", "violated") in answers
    assert (("bayesian", "undecided") in answers) == (horizon != 1)


@pytest.mark.parametrize("horizon", [1, 3])
def test_rounding_is_that_of_the_sums(horizon):
    """Values take 2 + T (signals + 4) roundings of T times the largest value and price; a mean, a discount, a fee and a
    difference signals + 5 more, of the largest value of truth and the fee."""
    menu = instance(4, horizon)
    uses = _uses(menu)

    def of(c, k, values):
        size = np.abs(menu.environment.value_tables[0][:, k]).max() + np.abs(menu.prices[c]).max()
        sums = (2 + horizon * (SIGNALS + 4)) * size * horizon
        return sums + (SIGNALS + 5) * (np.abs(values).max() + abs(menu.menu[c].upfront)), sums

    def truth(k, r):
        c = int(menu.choice[r])
        return of(c, k, np.float64(followed(menu, c, k, menu.purchases[c][r])[0]))

    for name in (BAYESIAN, PERIODIC):
        for gain in _gains(name, menu, uses, False):
            period, k, r = gain.place
            honest, sums = truth(k, k)
            if period:
                wanted = sums
            elif name == PERIODIC:
                wanted = honest
            else:
                best = of(int(menu.choice[r]), k, np.float64(best_value(menu, menu.choice[r], k)))
                wanted = honest + max(truth(k, r)[0], best[0])
            assert gain.rounding * 2.0**52 == pytest.approx(wanted, rel=1e-9)


def test_rounding_for_ever_is_at_least_that_of_the_last_sweep():
    """16 + 2 (signals + 2) roundings of the largest value and price and of the largest present value, over 1 - d."""
    menu = instance(5, "infinite")
    for c, row in enumerate(_uses(menu)):
        for k, use in enumerate(row):
            size = np.abs(menu.environment.value_tables[0][:, k]).max() + np.abs(menu.prices[c]).max()
            told = [np.abs(np.float64(followed(menu, c, k, plan)[0])).max() for plan in menu.purchases[c]]
            most = max(*told, np.abs(np.float64(best_value(menu, c, k))).max())
            least = (16 + 2 * (SIGNALS + 2)) * (size + most) * 2.0**-52 / (1 - 0.75)
            assert least * (1 - 1e-9) <= use.error <= 2.1 * least


@pytest.mark.parametrize("horizon", [1, 2, "infinite"])
def test_the_best_purchases_in_fractions_are_those_of_all_policies(horizon):
    for seed in (4, 5, 10):
        menu = instance(seed, horizon)
        for c, row in enumerate(exact_uses(menu)):
            assert [use.best for use in row] == [best_value(menu, c, k) for k in range(TYPES)]


def test_a_gain_within_the_tolerance_is_not_counted_twice():
    """Everybody buys nothing; the other contract costs 2^-30 less, and with the best purchases it is worth much."""
    menu = instance(5, 2)
    nothing = (np.zeros(SIGNALS, dtype=int),) * 2
    menu = dataclasses.replace(
        menu,
        menu=(Contract(0.0, 2.0**-30), Contract(0.0, 0.0)),
        prices=(np.zeros(ACTIONS), np.array([0.0, -1.0, -1.0])),
        choice=np.array([0, 1, 1]),
    )
    menu.__dict__["purchases"] = ((nothing,) * TYPES,) * CONTRACTS
    places = gains(menu)[BAYESIAN]
    low, high = (max(place[end] for place in places) for end in (0, 1))
    check = menu_checks(menu, [BAYESIAN], True)[BAYESIAN]
    assert (check.status, check.gain, low) == ("undecided", 2.0**-30, Fraction(1, 2**30))
    assert check.rounding == pytest.approx(float(high - low), rel=1e-12)


@pytest.mark.parametrize("horizon", [3, "infinite"])
def test_signals_that_never_come_do_not_count(horizon):
    """Signal 0 stays; at signal 1 all is worth -8 to everybody, and nobody is ever there."""
    still = [[1, 0], [0, 1]]
    env = mo.SeparableTypes(
        [[1, 2]], [["1/2", "1/2"]], [[[0, -8]]], [[1, 0]], [still], cost=[0], horizon=horizon, discount="1/2"
    )
    nothing = np.zeros(2)
    menu = OptimalContract(env, (Contract(0.0, 0.0),), np.array([0, 0]), nothing, nothing, 0.0, (np.zeros(1),), None)
    for exact in (False, True):
        assert {check.gain for check in menu_checks(menu, NAMES, exact).values()} == {0}


@pytest.mark.parametrize("scale", [Fraction(1, 10**9), 1, 10**9, 10**12])
@pytest.mark.parametrize("horizon", [2, "infinite"])
def test_menus_of_any_scale_are_satisfied(scale, horizon):
    """Rounding was 1e-15 of 1, whatever the money: nothing small was decided."""
    env = mo.SeparableTypes(
        [[1, 2, 4]],
        [["1/3"] * 3],
        [[[0, 0], [scale, 2 * scale], [scale, 3 * scale]]],
        [["1/2", "1/2"]],
        [[["2/3", "1/3"], ["1/3", "2/3"]]],
        cost=[0, scale, scale],
        horizon=horizon,
        discount="9/10",
    )
    for exact in (False, True):
        report = menu_checks(mo.optimal_contract(env), [BAYESIAN, INTERIM], exact)
        assert {str(part.status) for part in report.values()} == {"satisfied"}


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("horizon", [2, "infinite"])
def test_fees_and_prices_that_are_none_are_refused(number, horizon):
    menu = instance(1, horizon)
    fee = dataclasses.replace(menu, menu=(menu.menu[0], menu.menu[1]._replace(upfront=number)))
    price = menu.prices[1].copy()
    price.flat[0] = number
    for wrong in (fee, dataclasses.replace(menu, prices=(menu.prices[0], price))):
        for exact in (False, True):
            with pytest.raises(mo.InputError, match=r"menu\[1\]: has a fee or a price that is not finite"):
                menu_checks(wrong, NAMES, exact)


@pytest.mark.parametrize("number", [-2, CONTRACTS])
def test_contracts_that_there_are_not_are_refused(number):
    for exact in (False, True):
        with pytest.raises(mo.InputError, match=rf"choice: names contracts \[0, {number}, 1\], there are 2"):
            menu_checks(dataclasses.replace(instance(1, 1), choice=np.array([0, number, 1])), NAMES, exact)


def test_large_fees_that_prices_give_back_hide_nothing():
    """A fee of 3 times 1e18 that every purchase gives back: what is left is rounding, and is said to be."""
    menu = instance(4, "infinite")
    lent = [float(2**60 + 4096 * (k % 2)) for k in range(2)]
    offers = tuple(
        offer._replace(upfront=offer.upfront + 3 * money) for offer, money in zip(menu.menu, lent, strict=True)
    )
    prices = tuple(price - money for price, money in zip(menu.prices, lent, strict=True))
    lending = dataclasses.replace(menu, menu=offers, prices=prices)
    for name, check in menu_checks(lending, NAMES, False).items():
        exact = menu_checks(lending, [name], True)[name]
        assert check.status in (exact.status, "undecided")
        assert check.gain - check.rounding <= exact.gain + exact.rounding
        assert exact.gain <= check.gain + check.rounding


@pytest.mark.parametrize(("horizon", "rounds"), [(2, 2), ("infinite", SIGNALS**2)])
def test_the_limit_of_fractions_is_that_of_the_products(horizon, rounds, monkeypatch):
    menu = instance(1, horizon)
    products = CONTRACTS * TYPES * (TYPES + ACTIONS) * SIGNALS**2 * rounds
    monkeypatch.setattr(limits, "MAX_TERMS", products)
    assert {use.error for row in exact_uses(menu) for use in row} == {0}
    monkeypatch.setattr(limits, "MAX_TERMS", products - 1)
    with pytest.raises(mo.errors.LimitError, match=f"the check of a menu in fractions takes {products:,} products"):
        exact_uses(menu)


def test_floats_unless_fractions_are_asked_for():
    menu = instance(1, "infinite")
    assert all(check.exact is None for check in verify_menu(menu).values())
    assert tuple(verify_menu(menu, exact=True)) == tuple(verify_menu(menu)) == (BAYESIAN, INTERIM)
