"""Claims of a certificate in words: nobody shall take a proof for one of more than it says."""

from __future__ import annotations

from collections.abc import Sequence

from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import DIC, EPIR, INDU, Constraint
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
        return _guarantee(certificate)
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
    if isinstance(certificate, Certificate) and certificate.status == "infeasible":
        return f"there is no mechanism {constraints.rstrip(',')}"
    if certificate.value is None:
        return f"{goal(certificate)} has no bound {constraints.rstrip(',')}"
    value = certificate.value
    return f"the largest {goal(certificate)} {constraints} is {value} = {float(value):.12g}"


def _guarantee(certificate: GuaranteeCertificate) -> str:
    """Benchmark of a guarantee, and its constraints."""
    asked = ", ".join(constraint.name for constraint in certificate.ic)
    under = "both under incentive constraints dic and participation constraints epir"
    plain = certificate.ir == (EPIR(),) and not certificate.subject_to
    if plain and asked != "dic" and certificate.ic == (DIC(), INDU()):
        under = f"the mechanism under {asked} and epir, that revenue under dic and epir"
    elif not plain or asked != "dic":
        names = [constraint.name for constraint in (*certificate.ic, *certificate.ir, *certificate.subject_to)]
        under = f"both under {', '.join(names) or 'no constraints'}"
        if certificate.benchmark == "standard":
            under = f"the mechanism under {', '.join(names)}, that revenue under dic and epir"
    if certificate.absorbing:
        ends = ", ".join(certificate.absorbing)
        under += f" (surplus and first best of the periods before, where {ends} takes out everything at the end)"
    value = f"is {certificate.value} = {float(certificate.value):.12g}"
    if certificate.objective == "regret":
        return (
            "the least regret of a mechanism that does not know the future, the most by which the largest revenue of a "
            f"scenario exceeds its own, {under}, {value}"
        )
    if certificate.objective == "weighted":
        return (
            "the best mean, under the scenarios' weights, of a mechanism that does not know the future, as a share of "
            f"the largest revenue in each scenario, {under}, {value}"
        )
    return (
        "the best guarantee of a mechanism that does not know the future, as a share of the largest revenue "
        f"in every scenario, {under}, {value}"
    )


def goal(certificate: Certificate | GuaranteeCertificate | PromisedCertificate) -> str:
    """Objective, with exact weights.

    Examples
    --------
    >>> from mechopt import IndependentTypes, Revenue, Welfare
    >>> from mechopt.formats import certify
    >>> coin = IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1)
    >>> goal(certify(coin, objective=Revenue() + 0.1 * Welfare()))
    'revenue + 1/10 welfare'
    """
    if isinstance(certificate, GuaranteeCertificate):
        return {"ratio": "guarantee", "weighted": "weighted guarantee"}.get(
            certificate.objective, certificate.objective
        )
    if isinstance(certificate, PromisedCertificate):
        return "revenue"
    weights = {name: to_exact(getattr(certificate.objective, name)) for name in ("revenue", "welfare", "utility")}
    return " + ".join(name if w == 1 else f"{w} {name}" for name, w in weights.items() if w) or "0 revenue"


def _listed(constraints: Sequence[Constraint], side: str, otherwise: str) -> str:
    names = " + ".join(constraint.name for constraint in constraints)
    return f"under {side} {names}" if names else f"WITHOUT {side} ({otherwise})"
