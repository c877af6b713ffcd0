r"""Lemma C.1 on an instance: what continuation utility that reports do not move costs a seller without the future.

With densities payments are pinned down by allocations, and every non-clairvoyant mechanism that satisfies DIC has
continuation utility that depends on distributions alone (INDU). With finite types a step of utility lies anywhere in
:math:`[D_k x_k, D_k x_{k+1}]`: mechanisms may violate INDU, and from three periods on those that satisfy it may
guarantee less. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), supplement C.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraints import DIC, INDU
from mechopt.proof.certificate import GuaranteeCertificate
from mechopt.solve.exact.guarantee import certify_guarantee
from mechopt.solve.maximin import Maximin, maximin
from mechopt.verification.scenarios.check import verify_scenarios


@dataclass(frozen=True, eq=False, repr=False)
class ConstantContinuation:
    """Lemma C.1 on an instance.

    Attributes
    ----------
    every : Maximin
        The best guarantee of all mechanisms.
    constant : Maximin
        That of mechanisms that satisfy INDU.
    deviation : float
        Largest difference of the first mechanism's continuation utility between two reports; money. The lemma as it is
        printed says 0 of every mechanism.
    proofs : pair of GuaranteeCertificate, or None
        Of both guarantees, where they were asked for.
    """

    every: Maximin
    constant: Maximin
    deviation: float
    proofs: tuple[GuaranteeCertificate, GuaranteeCertificate] | None

    @property
    def loss(self) -> float:
        """Cost of INDU for the guarantee; negative by rounding alone."""
        return self.every.value - self.constant.value

    @property
    def exact_loss(self) -> Fraction | None:
        """The same as proved; None where no proof was asked for."""
        return None if self.proofs is None else self.proofs[0].value - self.proofs[1].value

    def __repr__(self) -> str:
        proved = "" if self.proofs is None else ", proved"
        return f"ConstantContinuation(loss {self.loss:.6g}{proved}, continuation utility moves by {self.deviation:.6g})"


def constant_continuation(scenarios: Scenarios, exact: bool = False) -> ConstantContinuation:
    """Measure Lemma C.1: the best guarantee with and without INDU, and whether the best mechanism satisfies it.

    Parameters
    ----------
    scenarios : Scenarios
    exact : bool
        Prove both guarantees in fractions.

    Examples
    --------
    >>> import mechopt as mo
    >>> found = constant_continuation(mo.load("mirrokni-2020/constant-continuation-loses"), exact=True)
    >>> round(float(found.exact_loss), 7)
    0.0035613
    """
    every, constant = maximin(scenarios), maximin(scenarios, ic=(DIC(), INDU()))
    deviation = verify_scenarios(every.rule, INDU())["indu"].gain
    proofs = None
    if exact:
        proofs = certify_guarantee(scenarios), certify_guarantee(scenarios, (DIC(), INDU()))
    return ConstantContinuation(every, constant, deviation, proofs)
