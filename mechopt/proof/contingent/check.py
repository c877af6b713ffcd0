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
from math import prod

from mechopt.core.errors import shortened
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.proof.contingent.file import TransferProof, TransferProofError
from mechopt.proof.contingent.inequalities import Checker
from mechopt.proof.contingent.robust import RobustChecker
from mechopt.proof.contingent.stacked import StackedChecker

MOST = 10**7
"""Products of fractions that a check makes unless asked for more: about a minute."""


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
    if environment.exact is None:
        raise TransferProofError(
            'the model has float probabilities that do not sum to 1; write fractions such as "1/3"'
        )
    if (work := _products(environment, proof)) > most:
        raise TransferProofError(
            f"size: about {work:,} products of fractions, at most {most:,} are made; raise most= (--most)"
        )
    if proof.fingerprint != environment.fingerprint:
        raise TransferProofError("the proof is about another environment: its fingerprint is not that of the model")
    try:
        if proof.stack:
            return StackedChecker(environment, proof).checked()
        return (RobustChecker if proof.kernels else Checker)(environment, proof).checked()
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {shortened(str(error))}"
        raise TransferProofError(f"the proof does not have the layout of its environment ({what})") from None


def _products(environment: InterdependentTypes, proof: TransferProof) -> int:
    """About as many as the check makes: every inequality goes over the next profiles."""
    if proof.stack.get("how") == "histories":
        return _products_by_history(environment)
    total, paths = 0, int(max(map(prod, environment.shape)) ** max(int(proof.stack.get("steps", 1)) - 1, 0))
    for t, shape in enumerate(environment.shape):
        last = not environment.infinite and t == environment.stages - 1
        then = 1 if last else prod(environment.shape[min(t + 1, environment.stages - 1)])
        rows = environment.action_counts[t] + (0 if proof.refusal else sum(shape))
        pairs = 0 if proof.refusal or proof.asked.get("balance") in (None, "ex-ante") else environment.agents
        total += prod(shape) * then * (rows + pairs)
    return total * paths + len(proof.shares) * max(map(prod, environment.shape))


def _products_by_history(environment: InterdependentTypes) -> int:
    """The same where payments are by all earlier reports."""
    counts = [*map(prod, environment.shape), 1]
    return sum(prod(counts[: t + 1]) * sum(shape) * counts[t + 1] for t, shape in enumerate(environment.shape))
