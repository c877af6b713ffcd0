"""Claims about transfers that are more than what is checked, though every number is right, are refused."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.program.possible import NoTransfersError
from mechopt.closedform.contingent.robust.transfers import robust_transfers
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProofError, Weighted
from mechopt.proof.contingent.words import statement
from mechopt.study.transfer_proof import transfer_proof
from tests.closedform.contingent.test_any_transfers import rational
from tests.proof.contingent.test_inequalities import claim, environment
from tests.proof.contingent.test_stacked_transfers import uncontrolled

CROSSED, SQUARE, ALONE = "liu-2025/crossed-signals", "liu-2025/square-columns", "liu-2025/independent-chains"


def stacked(horizon, **arguments):
    env = uncontrolled(0, horizon)
    last = "efficient" if env.infinite else "constant"
    return env, transfer_proof(contingent_transfers(env, "stacked", last, exact=True, **arguments))


DEMANDS = {"participation": "ex-ante", "cap": "0", "balance": "ex-ante", "fee": True}


@pytest.mark.parametrize("key", DEMANDS)
def test_stacked_and_robust_transfers_take_no_demands(key):
    """A cap of 0 in a file was taken for none, and proved."""
    for env, proof in (stacked("infinite", steps=2), robust()):
        check_transfer_proof(env, proof)
        with pytest.raises(TransferProofError, match="asked: nothing is proved of participation"):
            check_transfer_proof(env, replace(proof, asked=proof.asked | {key: DEMANDS[key]}, fees=[0, 0]))


UNKNOWN = [
    *(
        (key, value, f"{key}: .*is not known")
        for key in ("participation", "balance", "form")
        for value in (0, "", "no")
    ),
    ("form", None, "form: None is not known"),
    ("balance", "interim", "balance: 'interim' is not known"),
    ("participation", "weak", "participation: 'weak' is not known"),
    *(("fee", value, "fee is no truth value") for value in (0, 1, None, "yes")),
    *(("outside", value, "outside is not a number for each agent") for value in ([], ["0"], ["0", "0", "0"])),
    *(("outside", value, "are not fractions as texts") for value in (["0", 0], [0, "0"], ["0", None])),
    *(("cap", value, "are not fractions as texts, or the cap is below 0") for value in (0, 1.5, "-1/9", True)),
    *((key, value, "does not have the layout") for key, value in (("cap", ""), ("cap", "x"), ("outside", ["0", "x"]))),
]


@pytest.mark.parametrize(("key", "value", "words"), UNKNOWN)
def test_demands_that_do_not_exist(key, value, words):
    for env, proof in (robust(), refused()):
        with pytest.raises(TransferProofError, match=words):
            check_transfer_proof(env, replace(proof, asked=proof.asked | {key: value}))


@cache
def refused():
    env = modelfile.load("liu-2025/independent-chains")
    with pytest.raises(NoTransfersError) as found:
        contingent_transfers(env, "any", cap="1/10", exact=True)
    return env, transfer_proof(found.value)


def test_a_claim_says_all_that_is_asked():
    """That there are no transfers under a cap read as if there were none at all."""
    env, proof = refused()
    said = statement(proof, check_transfer_proof(env, proof))
    best = "there are no transfers that make the truth best under the efficient rule"
    assert said == f"{best}, with no payment above 1/10; together the inequalities say 0 >= 4/35"
    more = {
        "participation": ("interim", "interim participation (1/2, 0 outside)"),
        "balance": ("weak", "weak budget balance"),
        "form": ("vcg", "values of the form vcg"),
        "fee": (True, "entry fees"),
        "cap": ("0", "no payment above 0"),
    }
    bare = proof.asked | {"cap": None, "outside": ["1/2", "0"]}
    assert statement(replace(proof, asked=bare), Fraction(1)) == f"{best}; together the inequalities say 0 >= 1"
    for key, (value, words) in more.items():
        said = statement(replace(proof, asked=bare | {key: value}), Fraction(1))
        assert said == f"{best}, with {words}; together the inequalities say 0 >= 1"
    every = statement(replace(proof, asked=bare | {key: value for key, (value, _) in more.items()}), Fraction(1))
    assert every.startswith(
        f"{best}, with interim participation (1/2, 0 outside) and entry fees and no payment above 0"
    )
    other = replace(proof, efficient=False, last="constant", kernels={"kind": "box"}, asked=bare, shares=[])
    assert statement(other, Fraction(1, 3)) == (
        "transfers of at most 1/3 = 0.333333333333 make the truth best under the rule that the proof states, whose "
        "last action is one whatever the reports, for every kernel between the bounds that the proof states"
    )
    ball = statement(replace(other, kernels={"kind": "ball", "radius": "1/9"}), Fraction(1))
    assert ball.endswith(", for every kernel within 1/9 of the model's, row by row")
    hull = statement(replace(other, kernels={"kind": "hull"}), Fraction(1))
    assert hull.endswith(", for every mixture, row by row, of the model's kernel and those that the proof states")


@cache
def robust():
    env = rational(2, 3, (2, 2), 1, alike=False)
    return env, transfer_proof(robust_transfers(env, "1/100", "constant", exact=True))


@pytest.mark.parametrize("horizon", ["infinite", 3])
def test_stacked_transfers_are_for_the_models_kernel_alone(horizon):
    """A ball of any size beside a stack was said to be proved."""
    env, proof = stacked(horizon, steps=2)
    with pytest.raises(TransferProofError, match="for the model's kernel"):
        check_transfer_proof(env, replace(proof, kernels={"kind": "ball", "radius": "2"}))


def test_a_constant_end_is_one_in_every_kind_of_proof():
    """Else the last period's action could be any, and the rule said to be efficient nevertheless."""
    for env, proof in (stacked(3, steps=2), robust()):
        actions = list(proof.policy[-1])
        actions[0] = 1 - actions[0]
        moved = replace(proof, policy=[*proof.policy[:-1], actions])
        with pytest.raises(TransferProofError, match="last: the last action is not one"):
            check_transfer_proof(env, moved)
        for last in ("none", "", "first"):
            with pytest.raises(TransferProofError, match="does not fit the horizon"):
                check_transfer_proof(env, replace(proof, last=last))
        with pytest.raises(TransferProofError, match="asked: not participation"):
            check_transfer_proof(env, replace(proof, asked=proof.asked | {"more": None}))
    env, proof = stacked("infinite", steps=2)
    for last in ("efficient", "constant"):
        with pytest.raises(TransferProofError, match="does not fit the horizon"):
            check_transfer_proof(env, replace(proof, last=last))


def test_one_last_action_of_two_is_not_a_constant_end():
    env = modelfile.load(CROSSED)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    assert len(set(proof.policy[-1])) == 2
    with pytest.raises(TransferProofError, match="last: the last action is not one"):
        check_transfer_proof(env, replace(proof, last="constant"))


def test_actions_that_do_not_exist():
    env = modelfile.load(CROSSED)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    for wrong in (2, -1, 1.0, True, "1"):
        for policy in ([wrong, *proof.policy[0][1:]], [*proof.policy[0][:-1], wrong]):
            with pytest.raises(TransferProofError, match="policy, period 0: not an action for every profile"):
                check_transfer_proof(env, replace(proof, policy=[policy, *proof.policy[1:]]))
    for policy in (proof.policy[0][:-1], [*proof.policy[0], 0]):
        with pytest.raises(TransferProofError, match="policy, period 0: not an action for every profile"):
            check_transfer_proof(env, replace(proof, policy=[policy, *proof.policy[1:]]))
    with pytest.raises(TransferProofError, match="policy: not of every period"):
        check_transfer_proof(env, replace(proof, policy=proof.policy[:-1]))


def test_a_cap_may_be_reached():
    env = modelfile.load(CROSSED)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    largest = check_transfer_proof(env, proof)
    assert check_transfer_proof(env, replace(proof, asked=proof.asked | {"cap": str(largest)})) == largest
    below = str(largest - Fraction(1, 10**9))
    with pytest.raises(TransferProofError, match="cap: a payment is"):
        check_transfer_proof(env, replace(proof, asked=proof.asked | {"cap": below}))


# Profiles by period, times next profiles, times actions and reports; two agents more where payments balance.
# CROSSED: three periods of 2 x 2 signals, two actions: 4 x 4 twice and 4 x 1, times 2 + 4. SQUARE: 12 x 12 x (2 + 7).
# A refusal goes over the rule alone, 4 x 4 x 2, and once over the next profiles for each inequality. A stack of two
# periods goes over the profiles of the second as well; with payments by histories there are 4, 16 and 64 of these.
PRODUCTS = {
    "any": (CROSSED, {"method": "any"}, (16 + 16 + 4) * 6),
    "balanced": (CROSSED, {"method": "any", "balance": "weak"}, (16 + 16 + 4) * 8),
    "balanced-strongly": (CROSSED, {"method": "any", "balance": "strong"}, (16 + 16 + 4) * 8),
    "balanced-before": (CROSSED, {"method": "any", "balance": "ex-ante"}, (16 + 16 + 4) * 6),
    "infinite": (SQUARE, {"method": "any"}, 12 * 12 * 9),
    "refused": (ALONE, {"method": "any", "cap": "1/10"}, 4 * 4 * 2),
    "refused-balance": (SQUARE, {"method": "any", "balance": "strong"}, 12 * 12 * 2),
    "stacked": (uncontrolled(0, "infinite"), {"method": "stacked", "steps": 2}, 4 * 4 * 6 * 4),
    "stacked-finite": (
        uncontrolled(0, 3),
        {"method": "stacked", "steps": 2, "last_period": "constant"},
        (16 + 16 + 4) * 6 * 4,
    ),
    "histories": (
        rational(0, 3, (2, 2), 1, alike=False),
        {"method": "stacked", "steps": 2, "last_period": "constant"},
        (4 * 4 + 16 * 4 + 64) * 4,
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_size_is_told_from_the_model(name):
    model, arguments, products = PRODUCTS[name]
    env = modelfile.load(model) if isinstance(model, str) else model
    try:
        proof = transfer_proof(contingent_transfers(env, exact=True, **arguments))
    except NoTransfersError as error:
        proof = transfer_proof(error)
    products += len(proof.shares) * max(len(table) for table in proof.policy)
    check_transfer_proof(env, proof, most=products)
    with pytest.raises(TransferProofError, match=f"size: about {products:,} products of fractions, at most"):
        check_transfer_proof(env, proof, most=products - 1)


def test_the_largest_period_counts():
    """2 profiles and 6 of them, for ever, with 2 + 1 and 2 + 3 reports: 2 x 6 x (2 + 3) + 6 x 6 x (2 + 5) products."""
    env = environment("infinite-after-one")
    proof, share = claim(env, fee=False), Weighted(Fraction(1), "misreport", 0, 0, 0, 1)
    for change, products in (
        ({}, 312),
        ({"stack": {"how": "apart", "steps": 2}}, 312 * 6),
        ({"shares": [share] * 2}, 2 * 6 * 2 + 6 * 6 * 2 + 2 * 6),
    ):
        with pytest.raises(TransferProofError, match=f"size: about {products:,} products"):
            check_transfer_proof(env, replace(proof, **change), most=1)


def test_steps_are_counted_and_limited():
    env, proof = stacked("infinite", steps=2)
    for steps, told in ((1, 4 * 4 * 6), (4, 4 * 4 * 6 * 64), (99, 4 * 4 * 6 * 4**98)):
        with pytest.raises(TransferProofError, match=f"size: about {told:,} products"):
            check_transfer_proof(env, replace(proof, stack=proof.stack | {"steps": steps}), most=1)
    for steps in (0, -1, 100, 10**15):
        with pytest.raises(TransferProofError, match="later periods; 1 to 99 are checked"):
            check_transfer_proof(env, replace(proof, stack=proof.stack | {"steps": steps}))


@pytest.mark.parametrize("name", ["discounts", "outside", "seller_values"])
def test_environments_whose_terms_the_inequalities_do_not_count(name):
    """With discounts of their own agents weigh the payments otherwise; the proof was accepted all the same."""
    env = modelfile.load(CROSSED)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    terms = {"discounts": ["1/2", None], "outside": [1, None], "seller_values": [[[[1, 1], [1, 1]]] * 2] * 3}
    other = replace(env, **{name: terms[name]})
    with pytest.raises(TransferProofError, match="it takes one discount, and nothing outside"):
        check_transfer_proof(other, replace(proof, fingerprint=other.fingerprint))


def test_a_proof_is_about_its_environment():
    env, other = modelfile.load(CROSSED), modelfile.load(SQUARE)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    with pytest.raises(TransferProofError, match="the proof is about another environment"):
        check_transfer_proof(other, proof)
