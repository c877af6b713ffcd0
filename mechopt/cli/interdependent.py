"""`mechopt epsilon` and `mechopt winner-pay`: approximate transfers, and the auction that implements exact ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mechopt.cli.options import At, Json, Model
from mechopt.show.terminal.console import say, show_rows

if TYPE_CHECKING:
    from mechopt.closedform.contingent.approximate import ApproximateTransfers
    from mechopt.closedform.contingent.setting import LastRule
    from mechopt.closedform.contingent.winner_pay import WinnerPayAuction
    from mechopt.verification.report import ConstraintCheck


def epsilon(
    model: Model,
    bound: Annotated[str | None, typer.Option(help="largest payment, of either sign")] = None,
    degree: Annotated[
        int | None, typer.Option(min=0, help="payments are polynomials of this degree in the own report; 0: free of it")
    ] = None,
    basis: Annotated[
        int | None,
        typer.Option(
            min=0, help="payments are polynomials of this degree in the others' next signals, named by numbers"
        ),
    ] = None,
    last_period: Annotated[
        str, typer.Option(help="efficient, or constant: one action whatever the reports")
    ] = "efficient",
    at: At = None,
    as_json: Json = False,
) -> None:
    """Find the transfers of a class that come nearest to efficient ones, and the gain that they leave."""
    from mechopt.closedform.contingent.approximate import approximate_transfers
    from mechopt.closedform.contingent.bidders import monomials, signal_numbers
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.verification.contingent.check import check_contingent

    file = read(model, at)
    environment = file.of_kind(InterdependentTypes)
    found = approximate_transfers(
        environment,
        bound=bound,
        basis=None if basis is None else monomials(environment, basis),
        degree=degree,
        signals=None if degree is None else signal_numbers(environment),
        last_period=cast("LastRule", last_period),
    )
    checked = check_contingent(found)
    verified = {"periodic_ex_post_ic": {"holds": checked.holds, "gain": checked.largest}}
    document = _epsilon(found) | {"verified": verified}
    if as_json:
        say(output.to_json(document))
        return
    show_rows(
        [
            *output.title_rows(file.title),
            ("epsilon", f"{found.epsilon:.6g} (largest distance of an expected transfer from its target)"),
            ("largest payment", f"{found.max_abs:.6g}"),
            (
                "gain",
                f"{found.gain:.6g} of a misreport, checked {checked.largest:.6g}; the lemma: {found.lemma_bound:.6g}",
            ),
            ("any strategy", f"at most {found.strategy_bound:.6g}"),
            ("welfare", f"{found.welfare:.12g}"),
            ("revenue", f"{found.revenue:.12g}"),
        ]
    )


def winner_pay(
    model: Model,
    mirror: Annotated[
        bool | None,
        typer.Option("--mirror/--lowest", help="the highest or the lowest bid wins; default: the efficient"),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="decide in fractions whether truthful bids are an equilibrium")
    ] = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Run the winner-pay auction of a model whose types are numbers, and search for a bid that gains."""
    from mechopt.closedform.contingent.bidders import auction_of
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.mechanism.constraints import PeriodicExPostIC
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.verification.verify import verify

    file = read(model, at)
    environment = file.of_kind(InterdependentTypes)
    found = auction_of(environment, mirror)
    check = verify(found, PeriodicExPostIC(), exact)["periodic-ex-post"]
    document = _auction(found, check, environment.names)
    document["revenue"] = float((environment.initial * found.revenue).sum())
    if as_json:
        say(output.to_json(document))
        return
    kind = "highest bid wins (mirror)" if found.mirror else "lowest bid wins"
    told = {"satisfied": "an equilibrium", "violated": f"no equilibrium: a bid gains {check.gain:.6g}"}
    open_ = f"undecided: a bid gains {check.gain:.6g} within {check.rounding:.3g}; --exact decides"
    verdict = told.get(check.status, open_)
    show_rows(
        [
            *output.title_rows(file.title),
            ("auction", f"{kind}, gamma {found.gamma:.6g}"),
            ("truthful bids", f"{verdict}; {'efficient' if found.efficient else 'not efficient'}"),
            ("index", f"residual {found.residual:.3g}"),
            ("worst payoff", f"{found.worst_payoff:.6g} of a winner, realised"),
            ("revenue", f"{document['revenue']:.12g} of the first period, with what is due in the next"),
        ]
    )


def _epsilon(found: ApproximateTransfers) -> dict[str, Any]:
    return {
        "epsilon": found.epsilon,
        "max_abs": found.max_abs,
        "gain": found.gain,
        "gain_bound": found.gain_bound,
        "strategy_bound": found.strategy_bound,
        "lemma_bound": found.lemma_bound,
        "welfare": found.welfare,
        "revenue": found.revenue,
        "utilities": list(found.utilities),
    }


def _auction(found: WinnerPayAuction, check: ConstraintCheck, names: tuple[str, ...]) -> dict[str, Any]:
    worst: Any = check.counterexample
    return {
        "gamma": found.gamma,
        "mirror": found.mirror,
        "gain": check.gain,
        "equilibrium": check.holds,
        "status": str(check.status),
        "rounding": check.rounding,
        "efficient": found.efficient,
        "residual": found.residual,
        "worst_payoff": found.worst_payoff,
        "deviation": None
        if worst is None
        else {"bidder": names[worst.agent], "signals": list(worst.signals), "bid": worst.bid},
    }
