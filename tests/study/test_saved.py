"""Every mechanism that persistent types have is saved, read back by one function, and verified as what it is."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.mechanism.archive import load_mechanism
from tests.interdependent_instances import random_environment

COIN = ["1/2", "1/2"]
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
MARKOV = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [COIN] * 2, cost=[0, "1/2"], horizon=2)
FOR_EVER = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [COIN] * 2, cost=[0, "1/2"], discount="1/2")
CONTRACT = mo.SeparableTypes([[1, 2]], [COIN], [[[0, 0], [1, 2]]], [COIN], [STAY], cost=[0, "1/2"], horizon=2)

CLOSED = {
    "dynamic-pivot": lambda: mo.dynamic_pivot(MARKOV),
    "dynamic-pivot-for-ever": lambda: mo.dynamic_pivot(FOR_EVER),
    "virtual-pivot": lambda: mo.virtual_pivot(CONTRACT),
    "optimal-contract": lambda: mo.optimal_contract(CONTRACT),
}


@pytest.mark.parametrize("build", CLOSED.values(), ids=CLOSED)
def test_closed_forms_are_saved_and_read_back(build, tmp_path):
    built = build()
    built.save(tmp_path / "it.npz")
    environment = built.environment
    if isinstance(environment, mo.SeparableTypes):  # type 1 is left out: L_1 = 1 - 1 (2 - 1) = 0
        environment = environment.to_markov(exclusion=True)
    read = load_mechanism(tmp_path / "it.npz", environment)
    assert (read.revenue, read.welfare) == pytest.approx((built.revenue, built.welfare), abs=1e-12)
    assert read.utilities == pytest.approx(built.utilities, abs=1e-12)
    assert mo.verify(read, read.claims or mo.BayesianIC()).holds


def test_efficient_exit_takes_the_pivot_as_it_is():
    assert mo.mechanisms.efficient_exit(mo.dynamic_pivot(MARKOV)).holds
    assert not mo.mechanisms.efficient_exit(mo.mechanisms.team(MARKOV)).holds
    with pytest.raises(mo.InputError, match="of current reports alone"):
        mo.mechanisms.efficient_exit(mo.virtual_pivot(CONTRACT))


STEERED = random_environment(5, sizes=(2, 2), horizon=3, private_last=True)
FREE = random_environment(6, sizes=(2, 2), horizon=3, controlled=False, private_last=True)
ENDLESS = random_environment(7, sizes=(2, 2), horizon="infinite")
TRANSFERS = {
    "convex": (STEERED, "convex"),
    "spanning": (STEERED, "spanning"),
    "stacked-by-history": (STEERED, "stacked"),
    "stacked": (FREE, "stacked"),
    "convex-for-ever": (ENDLESS, "convex"),
    "spanning-for-ever": (ENDLESS, "spanning"),
}


@pytest.mark.parametrize(("env", "method"), TRANSFERS.values(), ids=TRANSFERS)
def test_transfers_are_saved_and_read_back(env, method, tmp_path):
    found = mo.contingent_transfers(env, method)
    found.save(tmp_path / "transfers.npz")
    read = load_mechanism(tmp_path / "transfers.npz", env)
    assert isinstance(read, mo.results.ContingentTransfers)
    assert repr(read) == repr(found)
    assert (read.bound, read.utilities, read.revenue, read.history) == (
        found.bound,
        found.utilities,
        found.revenue,
        found.history,
    )
    same, nested = np.testing.assert_array_equal, zip(read.payments, found.payments, strict=True)
    for row, row_found in nested:
        for part, part_found in zip(row, row_found, strict=True):
            same(part, part_found)
    for row, row_found in zip(read.later, found.later, strict=True):
        for own, own_found in zip(row, row_found, strict=True):
            for part, part_found in zip(own, own_found, strict=True):
                same(part, part_found)
    assert mo.mechanisms.check_contingent(read) == mo.mechanisms.check_contingent(found)


def raised(found, by):
    """The same transfers, the last payments times 1 plus a multiple of one's own signal."""
    last = []
    for i, part in enumerate(found.last_payments):
        own = np.arange(part.shape[i]).reshape([-1 if j == i else 1 for j in range(part.ndim)])
        last.append(part + by * own)
    return replace(found, last_payments=tuple(last))


@pytest.mark.parametrize(("env", "method"), TRANSFERS.values(), ids=TRANSFERS)
def test_transfers_are_verified_as_all_mechanisms_are(env, method):
    report = mo.verify(mo.contingent_transfers(env, method))
    assert list(report) == [mo.PeriodicExPostIC()]
    assert report.holds
    assert report["periodic-ex-post"].counterexample is None


def test_a_last_payment_that_grows_with_the_report_is_found_out():
    # By 10 a signal, which no allocation of values in [-1, 1] is worth: report 0 instead of 1 and save 10 or so.
    found = raised(mo.contingent_transfers(FREE, "spanning"), 10)
    check = mo.verify(found)["periodic-ex-post"]
    assert not check.holds
    assert 8 <= check.gain <= 12
    example = check.counterexample
    assert (example.true_type, example.report, example.period) == (1, 0, 2)
    assert example.replay(found) == example.gain
    assert example.to_dict()["others"] == list(example.others)
    written = mo.verify(found.to_mechanism(), mo.PeriodicExPostIC())[mo.PeriodicExPostIC()]
    assert written.gain == pytest.approx(check.gain, abs=1e-9)


def test_other_constraints_of_transfers_go_over_histories():
    found = mo.contingent_transfers(STEERED, "convex")
    report = mo.verify(found, [mo.PeriodicExPostIC(), mo.BayesianIC()])
    assert report.holds
    for case in ("stacked", "convex-for-ever"):
        with pytest.raises(mo.InputError, match="'interim' goes over public histories"):
            mo.verify(mo.contingent_transfers(*TRANSFERS[case]), mo.Interim())
        with pytest.raises(mo.InputError, match=r"check_contingent checks them as they are"):
            mo.contingent_transfers(*TRANSFERS[case]).to_mechanism()


def rewritten(source, target, change):
    """Copy an archive with its header changed, or a column replaced."""
    with np.load(source) as columns:
        kept = dict(columns)
    change(kept)
    np.savez(target, **kept)


def with_header(**entries):
    def change(kept):
        header = json.loads(kept["header"].tobytes()) | entries
        kept["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)

    return change


def setting(name, value):
    def change(kept):
        kept[name] = value(kept[name])

    return change


DAMAGES = {
    "shape": (setting("payment_0_1", lambda array: array[:1]), "payment_0_1 has shape"),
    "not-finite": (setting("payment_0_0", lambda array: array * np.nan), "finite numbers"),
    "action": (setting("policy_1", lambda array: array + 9), "an action that does not exist"),
    "method": (with_header(method="other"), "header is damaged"),
    "utilities": (with_header(utilities=[1.0]), "header is damaged"),
    "no-bound": (with_header(bound=None), "damaged"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_transfers_are_refused(change, message, tmp_path):
    mo.contingent_transfers(STEERED, "spanning").save(tmp_path / "whole.npz")
    rewritten(tmp_path / "whole.npz", tmp_path / "damaged.npz", change)
    with pytest.raises(mo.InputError, match=message):
        load_mechanism(tmp_path / "damaged.npz", STEERED)


def test_transfers_of_others_are_refused(tmp_path):
    path = tmp_path / "transfers.npz"
    mo.contingent_transfers(STEERED, "spanning").save(path)
    with pytest.raises(mo.InputError, match="made for another environment"):
        load_mechanism(path, FREE)
    with pytest.raises(mo.InputError, match="is for kind 'interdependent', not 'markov'"):
        load_mechanism(path, MARKOV)
    with pytest.raises(mo.InputError, match="cannot read"):
        load_mechanism(tmp_path / "none.npz", STEERED)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("header.npy", b"nothing")
    with pytest.raises(mo.InputError, match="damaged"):
        load_mechanism(tmp_path / "other.npz", STEERED)


@pytest.mark.parametrize("env", [FREE, mo.load("liu-2025/two-periods-stacked")], ids=["finite", "for-ever"])
def test_what_a_file_says_of_its_outcome_is_not_believed(env, tmp_path):
    found = mo.contingent_transfers(env, "spanning" if env is FREE else "stacked")
    for said in ({"welfare": 1e9}, {"utilities": (7.0,) * env.agents}, {"gain": 1.0}):
        replace(found, **said).save(tmp_path / "forged.npz")
        with pytest.raises(InputError, match="but what it does gives"):
            mo.load_mechanism(tmp_path / "forged.npz", env)
