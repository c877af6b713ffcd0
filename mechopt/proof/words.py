"""What a certificate claims, in words: nobody shall take a proof for one of more than it says."""

from __future__ import annotations

from collections.abc import Sequence

from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import Constraint
from mechopt.proof.certificate import Certificate, GuaranteeCertificate
from mechopt.proof.promised.certificate import PromisedCertificate


def statement(certificate: Certificate | GuaranteeCertificate | PromisedCertificate) -> str:
    """The claim as a sentence, with all constraints; missing ones are named as such.

    Examples
    --------
    >>> from mechopt import IndependentTypes
    >>> from mechopt.formats import certify
    >>> coin = IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3)
    >>> statement(certify(coin))
    'the largest revenue under incentive constraints dic and participation constraints epir is 7/2 = 3.5'
    >>> statement(certify(coin, ic=None))[:72]
    'the largest revenue WITHOUT incentive constraints (every report taken as'
    """
    if isinstance(certificate, GuaranteeCertificate):
        asked = ", ".join(constraint.name for constraint in certificate.ic)
        under = "both under incentive constraints dic and participation constraints epir"
        if asked != "dic":
            under = f"the mechanism under {asked} and epir, that revenue under dic and epir"
        return (
            "the best guarantee of a mechanism that does not know the future, as a share of the largest revenue "
            f"in every scenario, {under}, is {certificate.value} = {float(certificate.value):.12g}"
        )
    incentive = _listed(certificate.ic, "incentive constraints", "every report taken as true")
    participation = _listed(certificate.ir, "participation constraints", "agents cannot stay away")
    if incentive.startswith("WITHOUT") is participation.startswith("WITHOUT"):
        participation = participation.removeprefix("under ")
    constraints = f"{incentive} and {participation}"
    if isinstance(certificate, Certificate) and certificate.subject_to:
        constraints += f", payments subject to {' + '.join(c.name for c in certificate.subject_to)},"
    if isinstance(certificate, PromisedCertificate) and certificate.value is None:
        lower, upper = certificate.lower, certificate.upper
        bounds = f"at least {lower} = {float(lower):.12g} and at most {upper} = {float(upper):.12g}"
        return f"the largest {goal(certificate)} {constraints} is {bounds}"
    if certificate.value is None:
        return f"{goal(certificate)} has no bound {constraints}"
    value = certificate.value
    return f"the largest {goal(certificate)} {constraints} is {value} = {float(value):.12g}"


def goal(certificate: Certificate | GuaranteeCertificate | PromisedCertificate) -> str:
    """What is the largest possible, with exact weights.

    Examples
    --------
    >>> from mechopt import IndependentTypes, Revenue, Welfare
    >>> from mechopt.formats import certify
    >>> coin = IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1)
    >>> goal(certify(coin, objective=Revenue() + 0.1 * Welfare()))
    'revenue + 1/10 welfare'
    """
    if isinstance(certificate, GuaranteeCertificate):
        return "guarantee"
    if isinstance(certificate, PromisedCertificate):
        return "revenue"
    weights = {name: to_exact(getattr(certificate.objective, name)) for name in ("revenue", "welfare", "utility")}
    return " + ".join(name if w == 1 else f"{w} {name}" for name, w in weights.items() if w) or "0 revenue"


def _listed(constraints: Sequence[Constraint], side: str, otherwise: str) -> str:
    names = " + ".join(constraint.name for constraint in constraints)
    return f"under {side} {names}" if names else f"WITHOUT {side} ({otherwise})"
