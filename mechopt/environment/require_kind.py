"""Refuse an environment of another kind than a closed form is for, and say what is for that one."""

from __future__ import annotations

from mechopt.core.errors import InputError, shortened

INSTEAD = {
    (
        "markov",
        "separable",
    ): "with a finite horizon take environment.to_markov(); see mo.virtual_pivot",
    ("markov", "interdependent"): "take mo.mechanisms.efficient_joint and mo.contingent_transfers",
    ("separable", "markov"): "take mo.optimum and mo.relaxed_optimum",
    ("separable", "interdependent"): "take mo.optimum and mo.relaxed_optimum",
    ("interdependent", "markov"): "write it as one, mo.InterdependentTypes.from_markov(environment)",
    ("interdependent", "separable"): (
        "write it as one where the horizon is finite, mo.InterdependentTypes.from_markov(environment.to_markov())"
    ),
}
"""What to do, by kind that is asked for and kind that is given."""


def require_kind(environment: object, kind: str, name: str) -> None:
    """Refuse what is not an environment of this kind.

    Parameters
    ----------
    environment : object
    kind : str
        As in model files.
    name : str
        Of the function that asks.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from mechopt.environment.families.contracts import battaglini
    >>> require_kind(battaglini(horizon=2), "markov", "efficient")
    >>> require_kind(battaglini(horizon=2), "separable", "virtual_pivot")
    Traceback (most recent call last):
    mechopt.core.errors.InputError: virtual_pivot: is for kind 'separable', not 'markov'; take mo.optimum and \
mo.relaxed_optimum
    """
    given = getattr(environment, "kind", None)
    if given == kind:
        return
    if given is None:
        what, fix = f"not {shortened(repr(environment))}", "read a model file with mo.load"
    else:
        what, fix = f"not {given!r}", INSTEAD.get((kind, given), "take mo.optimum")
    raise InputError(f"{name}: is for kind {kind!r}, {what}; {fix}")
