"""Bank tables: hand-made ones against numbers by hand, those of the dynamic program against its bounds."""

import json
from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanism.archive import load_mechanism
from mechopt.mechanism.bank_table import BankPeriod, BankTable
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.solve.promised.policy import PromisePolicy, PromiseTable
from mechopt.verification.bank_table import verify_bank_table

HALF = ["1/2", "1/2"]
ENV = mo.IndependentTypes.iid([1, 2], HALF, horizon=2)
LAWS = {
    "two values": ([1, 3], ["0.6", "0.4"]),
    "three values": ([1, 2, 4], ["0.3", "0.4", "0.3"]),
    "five values": ([1, 2, 3, 4, 5], ["1/5"] * 5),
}


def by_hand(env=ENV, **changes):
    """Sell for 1/2; at balance 1/2 (type 1) then ask 2, at 3/2 (type 2) a coin between balances 1 and 2 decides.

    Second period: at balance 1/2 price 2; at balance 1 spend 1 and give the item for price 1/2 (IC: nothing depends on
    the report): utilities are value - 3/2, mean 0; at balance 2 the same.
    """
    first = {"after": [[0, 1]], "share": [[0, 0.5]], "allocation": [[1, 1]], "payment": [[0.5, 0.5]]}
    second = {
        "balances": [0.5, 1, 2],
        "allocation": [[0, 1], [1, 1], [1, 1]],
        "payment": [[0, 2], [1.5, 1.5], [1.5, 1.5]],
    }
    first |= changes.get("first", {})
    second |= changes.get("second", {})
    none = np.zeros((3, 2))
    return BankTable(env, (BankPeriod(balances=[0], **first), BankPeriod(**({"after": none, "share": none} | second))))


def test_a_table_by_hand():
    """Revenue 1/2 + (1/2)(1/2)2 + (1/2)(3/2) = 7/4; welfare 3/2 + (1/2)(1/2)2 + (1/2)(3/2) = 11/4."""
    table = by_hand()
    assert (table.revenue, table.welfare, table.utilities) == (1.75, 2.75, (1.0,))
    np.testing.assert_allclose(table.distribution[1], [1 / 2, 1 / 4, 1 / 4])
    report = verify_bank_table(table)
    assert report.holds
    assert (report.revenue, report.welfare, report.utility) == (1.75, 2.75, 1.0)
    assert report.gains == {"IC": 0, "BI": 0, "BU": 0}
    simulated = table.simulate(3, 40_000)
    assert abs(simulated.revenue - 1.75) < 5 * simulated.revenue_error
    assert abs(simulated.utilities[0] - 1) < 5 * simulated.utility_errors[0]
    # the coin pays its outcome: first 1 - 1/2 or 2 - 1/2 and -1/2 or 1/2, then 1 - 3/2 or 2 - 3/2: any utility >= 0
    assert simulated.revenue + simulated.utilities[0] == pytest.approx(simulated.welfare)


# What is changed in the table by hand, and the gain that follows from it.
BROKEN = {
    # price 1.8 at balance 1/2: type 2 has 0.2 with probability 1/2: 0.1 above the other balances' 0
    "BI by a lower price": ({"second": {"payment": [[0, 1.8], [1.5, 1.5], [1.5, 1.5]]}}, "BI", 0.1),
    # everybody pays 0.1 more at every balance: expected utility is -0.1 (and type 0 at balance 1/2 has -0.1)
    "BI below 0": ({"second": {"payment": [[0.1, 2.1], [1.6, 1.6], [1.6, 1.6]]}}, "BI", 0.1),
    # type 1 (value 2) gets it for 1.5 at balance 1 when she reports 0, whose payment falls by 0.3 and hers rises
    "IC by two prices": ({"second": {"payment": [[0, 2], [1.2, 1.8], [1.5, 1.5]]}}, "IC", 0.6),
    # type 0 (value 1) would report 1 at balance 1/2 for a price of 0.75
    "IC by a low price": ({"second": {"payment": [[0.25, 0.75], [1.5, 1.5], [1.5, 1.5]]}}, "IC", 0.5),
    # utility 1/2 of type 0 is put into the bank as 1 = 1/2 + 1/2
    "BU deposits too much": ({"first": {"after": [[1, 1]]}}, "BU", 0.5),
    # the last period takes 0.8 more from type 0 at balance 1/2 than there is: u = -0.8
    "BU overdrawn": ({"second": {"payment": [[0.8, 1.2], [1.5, 1.5], [1.5, 1.5]]}}, "BU", 0.3),
    # a coin between 1/2 and 1 whose mean 3/4 is above the utility 1/2, by 1/4 for either outcome
    "BU by a coin": ({"first": {"share": [[0.5, 0.5]]}}, "BU", 0.25),
}


@pytest.mark.parametrize(("changes", "condition", "gain"), BROKEN.values(), ids=BROKEN)
def test_broken_conditions(changes, condition, gain):
    report = verify_bank_table(by_hand(**changes))
    assert not report.holds
    assert report.gains[condition] == pytest.approx(gain)
    found = next(found for found in report.counterexamples if found.condition == condition)
    assert found.gain == pytest.approx(gain)
    assert str(found) in repr(report)


@pytest.mark.parametrize("periods", [1, 2, 7, 30])
@pytest.mark.parametrize("distribution", LAWS.values(), ids=LAWS)
def test_the_policy_as_a_table(distribution, periods):
    """It keeps the conditions, and earns what the lower bound says; nothing of the policy enters the check."""
    env = mo.IndependentTypes.iid(*distribution, periods)
    found = promised_optimum(env, tolerance=1e-5)
    table = found.mechanism.to_bank_table()
    report = verify_bank_table(table)
    assert report.holds, report
    assert max(report.gains.values()) < 1e-12 * periods
    assert report.revenue == pytest.approx(found.bound.lower, rel=1e-11 * periods)
    assert table.revenue == pytest.approx(report.revenue, rel=1e-12)
    assert table.welfare == pytest.approx(report.welfare, rel=1e-12)
    assert table.utilities[0] == pytest.approx(found.mechanism.promise, rel=1e-9, abs=1e-12)


def test_costs_discount_and_impossible_types():
    env = mo.IndependentTypes(
        [[[1, 2, 4], [2, 3], [0, "1/2", 5, 6]]],
        [[["0.3", "0.4", "0.3"], [1, 0], ["0.2", "0.2", 0, "0.6"]]],
        cost=["3/2", 0, "1/4"],
        discount="9/10",
    )
    found = promised_optimum(env, tolerance=1e-9)
    report = verify_bank_table(found.mechanism.to_bank_table())
    assert report.holds, report
    assert report.revenue == pytest.approx(mo.optimum(env).value, rel=1e-8)


def test_a_simulation_of_a_long_table_agrees():
    found = promised_optimum(mo.IndependentTypes.iid(*LAWS["three values"], 40), tolerance=1e-4)
    table = found.mechanism.to_bank_table()
    simulated = table.simulate(1, 20_000)
    assert abs(simulated.revenue - table.revenue) < 5 * simulated.revenue_error
    assert abs(simulated.welfare - table.welfare) < 5 * simulated.welfare_error
    with pytest.raises(mo.InputError, match="runs"):
        table.simulate(1, 1)


def test_a_promise_above_the_last_tabulated_one_is_paid_out():
    """First sold at 0 with v = 1, 2; then at most 1/2 is of use, the utility at price 1. Welfare 3, promise 3/2."""
    tables = (
        PromiseTable(np.array([1.5]), np.ones((1, 2)), np.array([[1.0, 2.0]])),
        PromiseTable(np.array([0.0, 0.5]), np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [0.0, 1.0]])),
    )
    table = PromisePolicy(ENV, tables).to_bank_table()
    assert table.periods[0].payment.tolist() == [[0, 0]]
    np.testing.assert_allclose(table.distribution[1], [0, 1])
    report = verify_bank_table(table)
    assert report.holds
    assert (report.revenue, report.welfare) == (1.5, 3.0)


def test_interim_participation_is_no_bank_account():
    found = promised_optimum(ENV, mo.Interim())
    with pytest.raises(mo.InputError, match="EPIR"):
        found.mechanism.to_bank_table()


def test_round_trip_is_bit_exact(tmp_path):
    env = mo.IndependentTypes.iid(*LAWS["three values"], 50)
    table = promised_optimum(env, tolerance=1e-3).mechanism.to_bank_table()
    table.save(tmp_path / "table.npz")
    again = load_mechanism(tmp_path / "table.npz", env)
    for mine, theirs in zip(table.periods, again.periods, strict=True):
        for name in ("balances", "allocation", "payment", "after", "share"):
            assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes()
            assert not getattr(theirs, name).flags.writeable
    assert (again.claims, again.source) == (table.claims, table.source)


def test_a_policy_too_long_for_histories_is_saved_as_a_table(tmp_path):
    env = mo.IndependentTypes.iid(*LAWS["two values"], 40)
    policy = promised_optimum(env, tolerance=1e-2).mechanism
    policy.save(tmp_path / "long.npz")
    assert load_mechanism(tmp_path / "long.npz", env).revenue == pytest.approx(policy.revenue)
    promised_optimum(ENV).mechanism.save(tmp_path / "short.npz")
    assert mo.load_mechanism(tmp_path / "short.npz", ENV).revenue == pytest.approx(2.25)


def rewritten(path, **changes):
    with np.load(path, allow_pickle=False) as archive:
        columns = dict(archive) | changes
    np.savez(path, **{name: column for name, column in columns.items() if column is not None})


HEADER = {"format": "mechopt bank table 1", "fingerprint": ENV.fingerprint, "notions": ["DIC"], "source": ""}


def written(**changes):
    return np.frombuffer(json.dumps(HEADER | changes).encode(), dtype=np.uint8)


FAULTY = {
    "no column": ({"share": None}, "has no share; the file is damaged"),
    "wrong size": ({"payment": np.zeros(7)}, r"payment has shape \(7,\) of float64, expected 8 floats"),
    "whole numbers": ({"payment": np.zeros(8, dtype=np.int64)}, "payment has shape"),
    "broken rows": ({"after": np.full(8, 0.5)}, "after has shape"),
    "no rows": ({"rows": np.array([0, 3])}, "rows are not whole numbers above 0"),
    "lost row": ({"after": np.array([0, 9, 0, 0, 0, 0, 0, 0])}, r"periods\[0\].after: leads .* to row 10 of 3"),
    "infinite": ({"payment": np.full(8, np.inf)}, r"periods\[0\].payment: holds numbers that are not finite"),
    "pickle": ({"share": np.array([None] * 8)}, "the file is damaged"),
    "format": ({"header": written(format="mechopt bank table 9")}, "format 'mechopt bank table 9'"),
    "another environment": ({"header": written(fingerprint="0" * 64)}, "made for another environment"),
    "unknown constraint": ({"header": written(notions=["kindness"])}, "kindness"),
}


@pytest.mark.parametrize(("changes", "message"), FAULTY.values(), ids=FAULTY)
def test_faulty_files_are_refused(changes, message, tmp_path):
    path = tmp_path / "table.npz"
    by_hand().save(path)
    assert load_mechanism(path, ENV).revenue == 1.75
    rewritten(path, **changes)
    with pytest.raises(mo.InputError, match=message) as error:
        load_mechanism(path, ENV)
    assert str(path) in str(error.value)


def test_truncated_anywhere(tmp_path):
    path = tmp_path / "table.npz"
    by_hand().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 23):
        path.write_bytes(whole[:length])
        with pytest.raises(mo.InputError, match="not a mechanism file, or damaged"):
            load_mechanism(path, ENV)


def test_no_file(tmp_path):
    with pytest.raises(mo.InputError, match="cannot read"):
        load_mechanism(tmp_path / "absent.npz", ENV)


def test_every_fault_is_told():
    first, second = by_hand().periods
    bad = replace(first, allocation=[[2, 1]], share=[[0, -1]])
    worse = replace(second, balances=[1, 1, 2], payment=np.zeros((2, 2)))
    with pytest.raises(mo.InputError) as error:
        BankTable(ENV, (bad, worse))
    faults = [fault.where for fault in error.value.faults]
    assert faults == ["periods[0].allocation", "periods[0].share", "periods[1].payment"]
    with pytest.raises(mo.InputError, match="2 buyers"):
        BankTable(mo.IndependentTypes.iid([1, 2], HALF, 2, agents=2), (first, second))
    with pytest.raises(mo.InputError, match="periods: has 1, the environment 2"):
        BankTable(ENV, (first,))
    with pytest.raises(mo.InputError, match="accounts start with nothing"):
        BankTable(ENV, (replace(first, balances=[1.0]), second))
