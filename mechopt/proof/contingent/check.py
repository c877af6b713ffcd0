"""Prove claims about contingent transfers anew: they satisfy every inequality, or multipliers rule them out.

Every inequality is written down from the environment, in plain loops over fractions, and nothing else is trusted:

- the rule is efficient (where claimed): no action is worth more at any profile, W being the value that the file says;
- the truth is worth what the file says: V(k) = u(a, k) + d E[V' - p | a, k] at every profile;
- no report is worth more, in any period and at any signals of the others, and the last period's payments likewise;
- participation, caps, balance and the form of values, where they are claimed.

Transfers that are claimed to be right for every kernel of a set satisfy the inequalities at the worst distribution of
each set (`mechopt.proof.contingent.robust`); stacked transfers have inequalities of their own
(`mechopt.proof.contingent.stacked`).

A refusal is proved if the inequalities, times their multipliers and added up, have no unknown left and read 0 >= a
positive number. Multipliers of inequalities are at least 0.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from math import prod
from operator import mul

from mechopt.core.errors import require_type, shortened
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError
from mechopt.proof.contingent.inequalities import Checker
from mechopt.proof.contingent.robust import RobustChecker
from mechopt.proof.contingent.stacked import StackedChecker

MOST = 10**7
"""Products of fractions that a check makes unless asked for more: about a minute."""
MOST_STEPS = 99
"""Later periods in which payments about one period may be due."""


def check_transfer_proof(environment: InterdependentTypes, proof: TransferProof, most: int = MOST) -> Fraction:
    """Prove a claim about transfers anew, in fractions.

    Parameters
    ----------
    environment : InterdependentTypes
        With exact numbers.
    proof : TransferProof
    most : int
        Products of fractions that are made at most.

    Returns
    -------
    Fraction
        The largest payment, of either sign; for a refusal by how much its inequalities contradict each other.

    Raises
    ------
    TransferProofError
        Naming what fails.
    """
    require_type(proof, "TransferProof", "check_transfer_proof", "give mo.formats.transfer_proof(found)")
    if environment.exact is None:
        raise TransferProofError(
            'the model has float probabilities that do not sum to 1; write fractions such as "1/3"'
        )
    if any(terms is not None for terms in (environment.seller_values, environment.outside, environment.discounts)):
        raise TransferProofError("fingerprint: it takes one discount, and nothing outside or by signals to the seller")
    if proof.fingerprint != environment.fingerprint:
        raise TransferProofError("the proof is about another environment: its fingerprint is not that of the model")
    try:
        if (work := _products(environment, proof)) > most:
            raise TransferProofError(
                f"size: about {work:,} products of fractions, at most {most:,} are made; raise most= (--most)"
            )
        if proof.stack:
            return StackedChecker(environment, proof).checked()
        return (RobustChecker if proof.kernels else Checker)(environment, proof).checked()
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {shortened(str(error))}"
        raise TransferProofError(f"the proof does not have the layout of its environment ({what})") from None


def _products(environment: InterdependentTypes, proof: TransferProof) -> int:
    """About as many as the check makes: every inequality goes over the next profiles, or over paths of several."""
    sizes = list(map(prod, environment.shape))
    after = [*sizes[1:], sizes[-1] if environment.infinite else 1]
    reports = list(map(sum, environment.shape))
    if proof.stack.get("how") == "histories":
        return sum(past * told * then for past, told, then in zip(accumulate(sizes, mul), reports, after, strict=True))
    steps = proof.stack.get("steps", 1)
    if not 1 <= steps <= MOST_STEPS:
        raise TransferProofError(f"stack: payments in {steps} later periods; 1 to {MOST_STEPS} are checked")
    pairs = environment.agents if proof.asked["balance"] in ("weak", "strong") else 0
    rows = [0 if proof.refusal else told + pairs for told in reports]
    rows = [own + actions for own, actions in zip(rows, environment.action_counts, strict=True)]
    products = sum(size * then * own for size, then, own in zip(sizes, after, rows, strict=True))
    return int(products * max(sizes) ** (steps - 1) + len(proof.shares) * max(sizes))
