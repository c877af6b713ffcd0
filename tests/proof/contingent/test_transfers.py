"""Proofs about contingent transfers: they check, and nothing that was changed does."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.program.possible import NoTransfersError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProofError, Weighted, load_transfer_proof
from mechopt.study.transfer_proof import transfer_proof
from tests.closedform.contingent.test_any_transfers import rational
from tests.interdependent_instances import random_environment

CROSSED, SQUARE, ALONE = "liu-2025/crossed-signals", "liu-2025/square-columns", "liu-2025/independent-chains"

TRANSFERS = {
    "any": (CROSSED, {"method": "any"}),
    "any-infinite": (SQUARE, {"method": "any"}),
    "theorem-3.1": (SQUARE, {"method": "convex"}),
    "theorem-3.1-smallest": (SQUARE, {"method": "convex", "smallest": True}),
    "theorem-3.2-smallest": (CROSSED, {"method": "spanning", "smallest": True}),
    "theorem-3.2": (CROSSED, {"method": "spanning"}),
    "theorem-3.1-by-target": ("liu-2025/two-periods-stacked", {"method": "convex"}),
    "theorem-3.2-by-target": ("liu-2025/two-periods-stacked", {"method": "spanning"}),
    "corollary-3.3": (CROSSED, {"method": "spanning", "last_period": "constant"}),
    "constant-end": (CROSSED, {"method": "any", "last_period": "constant", "form": "vcg"}),
    "vcg": (SQUARE, {"method": "any", "form": "vcg"}),
    "surplus": (CROSSED, {"method": "any", "form": "surplus"}),
    "interim": (CROSSED, {"method": "any", "participation": "interim", "objective": "surplus", "fee": True}),
    "ex-post": (CROSSED, {"method": "any", "participation": "ex-post", "balance": "weak", "outside": ("1/10", 0)}),
    "ex-ante": (CROSSED, {"method": "any", "participation": "ex-ante", "balance": "ex-ante", "fee": True}),
    "strong": (CROSSED, {"method": "any", "balance": "strong", "cap": 1}),
}


def solved(name, **arguments):
    env = modelfile.load(name)
    return env, transfer_proof(contingent_transfers(env, exact=True, **arguments))


@pytest.mark.parametrize(("name", "arguments"), TRANSFERS.values(), ids=TRANSFERS)
def test_transfers_are_proved_through_a_file(name, arguments, tmp_path):
    env, proof = solved(name, **arguments)
    assert proof.efficient
    proof.save(tmp_path / "proof.json")
    again = load_transfer_proof(tmp_path / "proof.json")
    assert again == proof
    found = contingent_transfers(env, exact=True, **arguments)
    assert float(check_transfer_proof(env, again)) == pytest.approx(found.max_abs, rel=1e-12)


@pytest.mark.parametrize(("name", "arguments"), TRANSFERS.values(), ids=TRANSFERS)
def test_a_payment_that_is_changed_proves_nothing(name, arguments):
    env, proof = solved(name, **arguments)
    worst = 0
    for t, row in enumerate(proof.payments):
        for i, table in enumerate(row):
            changed = [[due + Fraction(1, 10**9) for due in own] if s == 0 else own for s, own in enumerate(table)]
            payments = [list(r) for r in proof.payments]
            payments[t][i] = changed
            with pytest.raises(TransferProofError, match="violated by"):
                check_transfer_proof(env, replace(proof, payments=payments))
            worst += 1
    assert worst


CLAIMS = {
    "policy": lambda p: {"policy": [[1 - a for a in p.policy[0]], *p.policy[1:]]},
    "surplus": lambda p: {"surplus": [[w + 1 for w in table] for table in p.surplus]},
    "welfare": lambda p: {"welfare": [[w + 1 for w in table] for table in p.welfare]},
    "values": lambda p: {"values": [[[v + 1 for v in table] for table in own] for own in p.values]},
    "layout": lambda p: {"values": p.values[:1]},
    "last": lambda p: {"last": "constant"},
    "asked": lambda p: {"asked": p.asked | {"participation": "ex-post", "outside": ["100", "100"]}},
    "cap": lambda p: {"asked": p.asked | {"cap": "1/1000"}},
    "form": lambda p: {"asked": p.asked | {"form": "surplus"}},
    "balance": lambda p: {"asked": p.asked | {"balance": "strong"}},
    "unknown": lambda p: {"asked": p.asked | {"form": "none"}},
    "missing": lambda p: {"asked": {}},
    "fingerprint": lambda p: {"fingerprint": "0"},
    "payments": lambda p: {"payments": p.payments[:1]},
    "last payments": lambda p: {"last_payments": [[q + n for n, q in enumerate(own)] for own in p.last_payments]},
}


@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_that_is_not_so_is_refused(change):
    env, proof = solved(CROSSED, method="any")
    with pytest.raises(TransferProofError):
        check_transfer_proof(env, replace(proof, **change(proof)))


REFUSALS = {
    "cap": (ALONE, {"cap": "1/10"}),
    "vcg": (ALONE, {"form": "vcg"}),
    "strong": (SQUARE, {"balance": "strong"}),
    "participation": (CROSSED, {"participation": "interim", "outside": 10, "cap": 2, "fee": True}),
    "ex-ante": (CROSSED, {"participation": "ex-ante", "outside": 3, "balance": "ex-ante"}),
    "ex-post": (CROSSED, {"participation": "ex-post", "outside": 3, "cap": "1/2"}),
    "no payments": (CROSSED, {"balance": "strong", "cap": 0}),
}


@pytest.mark.parametrize(("name", "arguments"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_proved_and_no_other_multipliers_are(name, arguments, tmp_path):
    env = modelfile.load(name)
    with pytest.raises(NoTransfersError) as error:
        contingent_transfers(env, "any", **arguments)
    proof = transfer_proof(error.value)
    proof.save(tmp_path / "none.json")
    assert load_transfer_proof(tmp_path / "none.json") == proof and proof.refusal
    assert check_transfer_proof(env, proof) == error.value.farkas.contradiction > 0
    for n, share in enumerate(proof.shares):
        for changed in (share.multiplier * 2, -share.multiplier, Fraction(0)):
            shares = [*proof.shares[:n], share._replace(multiplier=changed), *proof.shares[n + 1 :]]
            with pytest.raises(TransferProofError):
                check_transfer_proof(env, replace(proof, shares=shares))
    looser = proof.asked | ({"cap": "100"} if proof.asked["cap"] else {"balance": None, "form": "free"})
    with pytest.raises(TransferProofError):
        check_transfer_proof(env, replace(proof, asked=looser))


@pytest.mark.parametrize("horizon", ["infinite", 1, 2])
def test_random_refusals_and_random_transfers(horizon):
    refused = 0
    for seed in range(8):
        env = rational(seed, horizon, gamma=seed % 3)
        try:
            proof = transfer_proof(contingent_transfers(env, "any", exact=True))
        except NoTransfersError as error:
            proof = transfer_proof(error)
            refused += 1
        assert check_transfer_proof(env, proof) >= 0
    assert 0 < refused < 8


BOGUS = {
    "agent": Weighted(Fraction(1), "misreport", 7, 0, 0, 1),
    "period": Weighted(Fraction(1), "misreport", 0, -1, 0, 1),
    "report": Weighted(Fraction(1), "misreport", 0, 0, 0, 9),
    "kind": Weighted(Fraction(1), "gift", 0, 0, 0, 0),
    "profile": Weighted(Fraction(1), "misreport", 0, 0, 10**6, 1),
    "nothing": Weighted(Fraction(0), "misreport", 0, 0, 0, 1),
}


@pytest.mark.parametrize("share", BOGUS.values(), ids=BOGUS)
def test_rows_that_do_not_exist_prove_nothing(share):
    env, proof = solved(CROSSED, method="any")
    with pytest.raises(TransferProofError):
        check_transfer_proof(env, replace(proof, shares=[share]))


def test_one_period_without_payments():
    env = rational(0, 1)
    for arguments in ({"participation": "ex-post", "outside": 100}, {"balance": "weak", "participation": "interim"}):
        try:
            proof = transfer_proof(contingent_transfers(env, "any", "constant", exact=True, **arguments))
        except NoTransfersError as error:
            proof = transfer_proof(error)
        assert proof.refusal == ("outside" in arguments)
        check_transfer_proof(env, proof)


def test_a_rule_that_is_not_efficient_is_not_claimed_to_be():
    env = modelfile.load(SQUARE)
    found = contingent_transfers(env, "any", rule=[np.ones((4, 3), dtype=int)], exact=True)
    proof = transfer_proof(found)
    assert not proof.efficient and check_transfer_proof(env, proof) < Fraction(1, 10**8)


def test_the_command_line(mechopt, tmp_path):
    file = tmp_path / "proof.json"
    assert mechopt("transfers", SQUARE, "--proof", file)[0] == 0
    status, out, _ = mechopt("certificate", "check", SQUARE, file)
    assert status == 0 and out.startswith("proved: transfers of at most 160/27 = 5.92592592593 make the truth best")
    status, _, err = mechopt("certificate", "check", CROSSED, file)
    assert status == 1 and "fingerprint" in err
    status, _, _ = mechopt("transfers", ALONE, "--method", "any", "--cap", "1/10", "--proof", file)
    assert status == 1
    status, out, _ = mechopt("certificate", "check", ALONE, file, "--json")
    assert status == 0 and json.loads(out) == {
        "proved": True,
        "statement": "there are no transfers that make the truth best under the efficient rule, with no payment above "
        "1/10; together the inequalities say 0 >= 4/35",
        "transfers": False,
        "value": 4 / 35,
        "exact": "4/35",
    }
    file.write_text(file.read_text().replace("5/14", "5/13"))
    status, _, err = mechopt("certificate", "check", ALONE, file)
    assert status == 1 and "digest" in err
    status, _, err = mechopt("transfers", ALONE, "--proof", file)
    assert status == 2 and "--method any" in err


def test_the_size_is_told_first():
    env, proof = solved(CROSSED, method="any")
    with pytest.raises(TransferProofError, match="about 216 products of fractions, at most 10"):
        check_transfer_proof(env, proof, most=10)


def test_balance_counts_a_row_an_agent():
    """4 profiles before 4, 4 and none, each with 4 reports, 2 agents' balance and 2 actions."""
    env, proof = solved(CROSSED, method="any", balance="weak")
    assert check_transfer_proof(env, proof, most=(4 * 4 + 4 * 4 + 4) * (4 + 2 + 2)) > 0
    with pytest.raises(TransferProofError, match="about 288 products of fractions, at most 287"):
        check_transfer_proof(env, proof, most=287)


def test_floats_have_no_proof():
    with pytest.raises(InputError, match="solve with exact=True"):
        transfer_proof(contingent_transfers(modelfile.load(SQUARE)))
    env = random_environment(0, sizes=(3, 3), horizon="infinite")
    with pytest.raises(InputError, match="fractions"):
        contingent_transfers(env, "convex", exact=True)
