"""Forged proofs about transfers, each with one thing wrong that one inequality alone sees."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.program.possible import NoTransfersError
from mechopt.closedform.contingent.robust.transfers import NoRobustTransfersError, robust_transfers
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProof, TransferProofError, Weighted
from mechopt.study.transfer_proof import transfer_proof
from tests.closedform.contingent.test_any_transfers import rational
from tests.proof.contingent.test_stacked_transfers import uncontrolled

CROSSED, SQUARE, ALONE = "liu-2025/crossed-signals", "liu-2025/square-columns", "liu-2025/independent-chains"
NO_DEMANDS = {"participation": None, "outside": ["0", "0"], "fee": False, "cap": None, "balance": None, "form": "free"}


def solved(name, method="any", **arguments):
    env = modelfile.load(name)
    return env, transfer_proof(contingent_transfers(env, method, exact=True, **arguments))


def refuses(env, proof, words):
    with pytest.raises(TransferProofError, match=words):
        check_transfer_proof(env, proof)


def surplus_of(env, policy):
    """What a rule is worth from each period on, plain."""
    after, found = None, []
    for t in reversed(range(env.stages)):
        table = []
        for n, s in enumerate(product(*map(range, env.shape[t]))):
            a = policy[t][n]
            cost = env.exact.cost[t][a] if isinstance(env.exact.cost[0], tuple) else env.exact.cost[a]
            flow = sum((env.exact.values[i][t][(a, *s)] for i in range(env.agents)), Fraction(0)) - cost
            if after is not None:
                distribution = env.exact.kernel[t][(a, *s)].ravel()
                flow += env.exact.discount * sum(p * x for p, x in zip(distribution, after, strict=True))
            table.append(flow)
        found.insert(0, table)
        after = table
    return found


@pytest.mark.parametrize("t", [0, 1, 2])
def test_a_rule_that_is_not_efficient_once_is_not_efficient(t):
    env, proof = solved(CROSSED)
    costly = replace(env, cost=[0, "1/3"])
    honest = transfer_proof(contingent_transfers(costly, "any", "constant", exact=True))
    check_transfer_proof(costly, honest)
    for given, claimed in ((env, proof), (costly, honest)):
        refused = 0
        for n, action in enumerate(claimed.policy[t]):
            actions = list(claimed.policy[t])
            actions[n] = 1 - action
            policy = [actions if k == t else own for k, own in enumerate(claimed.policy)]
            wrong = replace(claimed, policy=policy, surplus=surplus_of(given, policy))
            if wrong.surplus[t][n] < claimed.surplus[t][n]:
                constant = t == 2 and given is costly
                words = "last: the last action is not one" if constant else f"period {t}, .*is not efficient"
                refuses(given, wrong, words)
                refused += 1
        assert refused


def test_costs_count():
    env = replace(modelfile.load(CROSSED), cost=[0, "1/3"])
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    assert check_transfer_proof(env, proof) > 0 and proof.surplus == surplus_of(env, proof.policy)
    worth = [[x + 1 for x in proof.surplus[-1]]]
    refuses(env, replace(proof, surplus=[*proof.surplus[:-1], *worth]), "surplus, period")


FORMS = {"free": "vcg", "vcg": "surplus"}


@pytest.mark.parametrize("form", FORMS)
def test_values_of_one_form_are_not_of_another(form):
    env, proof = solved(SQUARE, form=form)
    check_transfer_proof(env, proof)
    refuses(env, replace(proof, asked=proof.asked | {"form": FORMS[form]}), "not of the form that is claimed")


@pytest.mark.parametrize("how", ["ex-ante", "interim", "ex-post"])
def test_participation_that_is_violated_by_little(how):
    env, proof = solved(CROSSED)
    initial, values = env.exact.initial, proof.values
    first = list(product(*map(range, env.shape[0])))
    groups = {"ex-ante": [first], "interim": [[s for s in first if s[0] == k] for k in (0, 1)]}
    least = min(
        sum(w * values[0][0][first.index(s)] for s, w in weights.items()) / sum(weights.values())
        for group in groups.get(how, [[s] for s in first])
        if sum((weights := {s: Fraction(1) if how == "ex-post" else initial[s] for s in group}).values())
    )
    asked = proof.asked | {"participation": how, "outside": [str(least), "-1000"]}
    assert check_transfer_proof(env, replace(proof, asked=asked)) == check_transfer_proof(env, proof)
    more = asked | {"outside": [str(least + Fraction(1, 10**9)), "-1000"]}
    refuses(env, replace(proof, asked=more), "participation of agent 0")
    refuses(env, replace(proof, asked=proof.asked | {"participation": how, "outside": ["-1000", "1000"]}), "of agent 1")
    refuses(env, replace(proof, asked=asked | {"fee": True}, fees=[Fraction(1, 9), Fraction(0)]), "of agent 0")


@pytest.mark.parametrize("how", ["weak", "strong"])
def test_balance_that_is_violated_later(how):
    env, proof = solved(SQUARE)
    refuses(env, replace(proof, asked=proof.asked | {"balance": how}), "balance, period 1: violated")


def test_balance_that_is_expected_is_violated_by_little():
    env, proof = solved(CROSSED, participation="ex-ante", balance="ex-ante", fee=True)
    check_transfer_proof(env, proof)
    for i in (0, 1):
        fees = [fee - 10 if j == i else fee for j, fee in enumerate(proof.fees)]
        refuses(env, replace(proof, fees=fees), "balance, all periods: violated")


def test_a_single_period():
    """The last period's payments are the only ones, and nothing is the largest of none."""
    env = rational(0, 1)
    proof = transfer_proof(contingent_transfers(env, "any", exact=True))
    largest = max(abs(x) for own in proof.last_payments for x in own)
    assert check_transfer_proof(env, proof) == largest > 0
    alike = [[a] * len(proof.policy[0]) for a in proof.policy[0][:1]]
    constant = replace(
        proof, last="constant", efficient=False, policy=alike, surplus=surplus_of(env, alike), last_payments=[],
        values=[[[env.exact.values[i][0][(alike[0][0], *s)] for s in np.ndindex(env.shape[0])]] for i in range(2)],
    )  # fmt: skip
    assert check_transfer_proof(env, constant) == 0
    ball = {"kind": "ball", "radius": "1"}
    assert check_transfer_proof(env, replace(constant, kernels=ball)) == 0
    assert check_transfer_proof(env, replace(proof, kernels=ball)) == largest
    stack = {"how": "apart", "steps": 1}
    assert check_transfer_proof(env, replace(constant, stack=stack)) == 0
    for how in ("apart", "together", "histories"):
        stacked = replace(proof, stack=stack | {"how": how})
        values = [[[x - q for x, q in zip(table, own, strict=True)] for table in [flows(env, proof, i)]]
                  for i, own in enumerate(proof.last_payments)]  # fmt: skip
        stacked = replace(stacked, values=values)
        assert check_transfer_proof(env, stacked) == largest
        for i, n in product(range(2), range(len(proof.last_payments[0]))):
            for step in (10, -10):
                own = [q + step * (k == n) for k, q in enumerate(proof.last_payments[i])]
                paid = [own if j == i else other for j, other in enumerate(proof.last_payments)]
                refuses(env, replace(stacked, last_payments=paid), "last period")
        if how != "histories":
            raised = [[[x + 1 for x in table] for table in own] for own in values]
            refuses(env, replace(stacked, values=raised), "values of agent 0, last period")


def flows(env, proof, i):
    return [env.exact.values[i][0][(a, *s)] for a, s in zip(proof.policy[0], np.ndindex(env.shape[0]), strict=True)]


# --- refusals ---


def refusal(name, **arguments):
    env = modelfile.load(name)
    with pytest.raises(NoTransfersError) as error:
        contingent_transfers(env, "any", **arguments)
    return env, transfer_proof(error.value)


def test_an_inequality_times_nothing_changes_nothing():
    env, proof = refusal(ALONE, cap="1/10")
    idle = Weighted(Fraction(0), "misreport", 0, 0, 0, 1)
    assert check_transfer_proof(env, replace(proof, shares=[*proof.shares, idle])) == check_transfer_proof(env, proof)
    refuses(env, replace(proof, shares=[idle]), "they say 0 >= 0, which is not a contradiction")


def test_caps_take_no_negative_multiplier():
    """p <= c turned round with p >= -c: as an equation it would say p = c and p = -c."""
    env, proof = refusal(ALONE, cap="1/10")
    both = [Weighted(Fraction(-1), "cap", 0, 0, 0, report) for report in (0, 1)]
    refuses(env, replace(proof, shares=both), "a multiplier of an inequality is negative")


def robust_refusal(shape=3):
    for seed in range(20):
        env = rational(seed, shape, (2, 2), 1, alike=False)
        try:
            robust_transfers(env, 2, "constant")
        except NoRobustTransfersError as error:
            return env, transfer_proof(error)
    raise AssertionError


def test_robust_inequalities_that_are_none():
    env, proof = robust_refusal()
    total, distribution = check_transfer_proof(env, proof), proof.distributions[0]
    assert total > 0

    def with_more(multiplier, kind, agent, period, profile, report, distribution=distribution):
        share = Weighted(Fraction(multiplier), kind, agent, period, profile, report)
        return replace(proof, shares=[*proof.shares, share], distributions=[*proof.distributions, distribution])

    own = env.exact.kernel[0][(proof.policy[0][0], 0, 0)].ravel().tolist()
    assert check_transfer_proof(env, with_more(0, "bound", 0, 0, 0, 0, own)) == total
    assert check_transfer_proof(env, with_more(0, "last", 0, 2, 0, 1, [])) == total
    assert check_transfer_proof(env, with_more(0, "last", 1, 2, 3, 0, [])) == total
    refuses(env, with_more(-1, "last", 0, 2, 0, 1, []), "a multiplier is negative")
    there_is_none = "an agent, a period, a profile or a report does not exist"
    for share in (("bound", 2, 0, 0, 0), ("bound", -1, 0, 0, 0), ("bound", 0, 3, 0, 0), ("bound", 0, -1, 0, 0)):
        refuses(env, with_more(0, *share, own), there_is_none)
    for share in (("bound", 0, 0, -1, 0), ("bound", 0, 0, 0, -1)):
        refuses(env, with_more(0, *share, own), there_is_none)
    for share in (
        ("last", 0, 2, 0, 2), ("misreport", 0, 0, 0, 2), ("misreport", 0, 0, 0, 0), ("bound", 0, 0, 0, 2),
        ("bound", 0, 2, 0, 0), ("misreport", 0, 2, 0, 1), ("gift", 0, 0, 0, 0),
    ):  # fmt: skip
        refuses(env, with_more(0, *share, own), "is not an inequality")
    refuses(env, replace(proof, distributions=proof.distributions[:-1]), "distributions: not one for every share")
    idle = Weighted(Fraction(0), "last", 0, 2, 0, 1)
    refuses(env, replace(proof, shares=[idle], distributions=[[]]), "they say 0 >= 0, which is not a contradiction")


def test_bounds_are_rows_where_actions_move_signals_only():
    env = uncontrolled(0, 3)
    found = transfer_proof(contingent_transfers(env, "any", "constant", exact=True))
    share = Weighted(Fraction(1), "bound", 0, 0, 0, 0)
    distribution = env.exact.kernel[0][(0, 0, 0)].ravel().tolist()
    forged = replace(found, shares=[share], distributions=[distribution], kernels={"kind": "ball", "radius": "1"})
    refuses(env, forged, "'bound', report 0, is not an inequality")


# --- for every kernel ---


@pytest.mark.parametrize("moved", [True, False])
def test_transfers_for_one_kernel_are_not_for_all(moved):
    """Bounds as loose as can be: misreports alone say no."""
    env = rational(1, "infinite", (2, 2), 1, alike=False) if moved else uncontrolled(2, "infinite")
    proof = transfer_proof(contingent_transfers(env, "any" if moved else "spanning", exact=True))
    check_transfer_proof(env, proof)
    wide = {name: [[[bound] * 4] for _ in range(2)] for name, bound in (("lower", -(10**6)), ("upper", 10**6))}
    forged = replace(proof, kernels={"kind": "ball", "radius": "2"}, **(wide if moved else {}))
    refuses(env, forged, "at a kernel of the set")


# --- stacks ---


def zeros(shapes, horizon, kernel):
    values = [[np.zeros((2, *shape), dtype=int).tolist() for shape in shapes] for _ in range(2)]
    return InterdependentTypes(values, kernel, np.full(shapes[0], Fraction(1, int(np.prod(shapes[0])))).tolist(),
                               horizon=horizon, discount="9/10")  # fmt: skip


def test_histories_whose_periods_have_other_signals():
    shapes = [(2, 2), (3, 1), (1, 4)]
    kernel = [
        np.stack([np.full((*a, *b), Fraction(1, int(np.prod(b)))), corner(a, b)]).tolist() for a, b in pairwise(shapes)
    ]
    env = zeros(shapes, 3, kernel)
    sizes, nothing = [4, 3, 4], Fraction(0)
    payments = [[[[nothing] * others] * count for others in both] for count, both in ((4, (1, 3)), (12, (4, 1)))]
    proof = TransferProof(
        env.fingerprint, "constant", False, NO_DEMANDS, [[0] * n for n in sizes], [[nothing] * n for n in sizes], [],
        values=[[[nothing] * n for n in sizes]] * 2, payments=payments, stack={"how": "histories", "steps": 1},
    )  # fmt: skip
    assert check_transfer_proof(env, proof) == 0
    due = [list(map(list, own)) for own in payments[1]]
    due[1][5] = [Fraction(1)]
    refuses(env, replace(proof, payments=[payments[0], due]), "a report gains")
    refuses(env, replace(proof, payments=[payments[0], [payments[1][0][:-1], payments[1][1]]]), "for every history")


def corner(before, after):
    """Always the first profile."""
    table = np.full((*before, *after), Fraction(0))
    table[..., 0, 0] = Fraction(1)
    return table


def test_a_stack_takes_kernels_that_no_action_moves_at_all():
    """Two of four entries moved at one profile, by the second of two actions."""
    distribution = np.full((2, 2, 2, 2, 2), Fraction(1, 4))
    distribution[1, 1, 0, 0] = [Fraction(1, 8), Fraction(3, 8)]
    for kernel, moved in ((np.full((2, 2, 2, 2, 2), Fraction(1, 4)), False), (distribution, True)):
        env = zeros([(2, 2)], "infinite", [kernel.tolist()])
        nothing = [[Fraction(0)] * 4]
        proof = TransferProof(
            env.fingerprint, "none", False, NO_DEMANDS, [[0] * 4], nothing, [], values=[nothing] * 2,
            payments=[[[[Fraction(0)] * 4] * 4] * 2], stack={"how": "apart", "steps": 2},
        )  # fmt: skip
        if moved:
            refuses(env, proof, "actions move the signals")
        else:
            assert check_transfer_proof(env, proof) == 0


def test_three_periods_of_payments_about_one():
    """Small ones, so that the largest is below 1."""
    env = uncontrolled(0, "infinite")
    scaled = InterdependentTypes(
        [[(table / 1000).tolist() for table in own] for own in env.exact.values], env.exact.kernel[0][0].tolist(),
        env.exact.initial.tolist(), horizon="infinite", discount=env.exact.discount,
    )  # fmt: skip
    proof = transfer_proof(contingent_transfers(scaled, "stacked", steps=3, exact=True))
    largest = max(abs(x) for own in proof.payments[0] for due in own for x in due)
    assert check_transfer_proof(scaled, proof) == largest < 1
    for place in range(len(proof.payments[0][0][0])):
        for i in (0, 1):
            payments = [[[list(due) for due in own] for own in proof.payments[0]]]
            payments[0][i][0][place] += Fraction(1, 10**9)
            refuses(scaled, replace(proof, payments=payments), "violated by")
