"""`mechopt transfers`: contingent transfers for interdependent values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mechopt.cli.options import At, Check, Json, Model, check_expected, require_expected, require_targets
from mechopt.cli.transfer_tables import payment_words, system_rows, write_tables
from mechopt.show.terminal.console import say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.closedform.contingent.result import Method
    from mechopt.closedform.contingent.setting import LastRule
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.modelfile import ModelFile
    from mechopt.study.transfers import TransferStudy


def transfers(
    model: Model,
    method: Annotated[
        str,
        typer.Option(
            help="convex (transfers depend on the own report), spanning, stacked (several periods), or any (all "
            "transfers that exist, by a linear program)"
        ),
    ] = "convex",
    last_period: Annotated[
        str, typer.Option(help="efficient, or constant: one action whatever the reports")
    ] = "efficient",
    steps: Annotated[str, typer.Option(help="future periods to stack, or auto for the fewest that do")] = "2",
    joint: Annotated[
        bool, typer.Option("--joint", help="of stacked: the joint distribution of these periods, not each one's")
    ] = False,
    smallest: Annotated[bool, typer.Option("--smallest", help="minimise the largest entry of each transfer")] = False,
    objective: Annotated[
        str, typer.Option(help="of any: smallest (payments), deficit (least expected), or surplus (largest expected)")
    ] = "smallest",
    participation: Annotated[
        str | None, typer.Option(help="of any: ex-ante, interim or ex-post; the truth is worth at least --outside")
    ] = None,
    outside: Annotated[str, typer.Option(help="present value of not taking part; by agent with commas")] = "0",
    fee: Annotated[bool, typer.Option("--fee", help="of any: let agents pay or get an entry fee")] = False,
    cap: Annotated[str | None, typer.Option(help="of any: largest payment, of either sign")] = None,
    balance: Annotated[
        str | None, typer.Option(help="of any: ex-ante, weak (in every period) or strong (equal to the costs)")
    ] = None,
    form: Annotated[
        str, typer.Option(help="of any: free, vcg (surplus less a function of others' signals), or surplus")
    ] = "free",
    exact: Annotated[bool, typer.Option("--exact", help="find the transfers in fractions too")] = False,
    systems: Annotated[
        bool, typer.Option("--systems", help="show every matrix with its ranks, distances and what restores it")
    ] = False,
    payments: Annotated[bool, typer.Option("--payments", help="show every payment")] = False,
    csv: Annotated[
        str | None, typer.Option(metavar="FILE", help="write the payments, with --systems the systems, as CSV")
    ] = None,
    latex: Annotated[str | None, typer.Option(metavar="FILE", help="the same as a LaTeX table")] = None,
    radius: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="instead of a method: right for every kernel so near, by row, in total size (0 to 2)"
        ),
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="SIZE", help="the same where every single probability is so near")
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="the same for all mixtures with the kernel of this model; repeatable"),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="show what misreports gain if the kernel is estimated from so many draws")
    ] = None,
    gain_below: Annotated[
        float | None,
        typer.Option(metavar="GAIN", help="show how many draws keep the gain below it, in 95 of 100 estimates"),
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="write the transfers (.npz)")] = None,
    proof: Annotated[
        str | None, typer.Option(metavar="FILE", help="write exact transfers, or the proof that there are none")
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="exit status 0 even where a condition fails")
    ] = False,
    check: Check = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Measure convex independence and spanning, and solve for transfers that make the efficient rule truthful."""
    from mechopt.closedform.contingent.program.places import transfer_systems
    from mechopt.closedform.contingent.program.tables import payment_rows
    from mechopt.modelfile import read
    from mechopt.show.terminal import output
    from mechopt.study.estimated_transfers import draws_needed, estimated_gains
    from mechopt.study.transfers import study_transfers

    require_targets(save)
    file = read(model, at)
    environment = joint_environment(file)
    require_expected(check, model, file)
    asked = {
        "objective": objective,
        "participation": participation,
        "outside": outside.split(",") if "," in outside else outside,
        "fee": fee,
        "cap": cap,
        "balance": balance,
        "form": form,
        "exact": exact or proof is not None,
        "joint": joint,
    }
    robust = _kernels(environment, radius, box, within or [])
    stacked: Any = int(steps) if steps.isdecimal() else steps
    study = study_transfers(
        environment,
        cast("Method", method),
        cast("LastRule", last_period),
        smallest,
        stacked,
        side_by_side=True,
        kernels=robust,
        **asked,
    )
    document = study.document()
    if save is not None and study.transfers is not None:
        study.transfers.save(save)
    if proof is not None:
        _prove(study, proof)
    found = transfer_systems(environment, cast("LastRule", last_period)) if systems else None
    if found is not None:
        document["systems"] = found.document()
    if payments and study.transfers is not None:
        document["payments"] = payment_rows(study.transfers)
    more = _of_method(method, last_period, asked) | ({"steps": stacked, "joint": joint} if method == "stacked" else {})
    if robust is not None and (draws or gain_below):
        more = {"radius": _ball(robust), "last_period": last_period}
    if draws is not None:
        gained = estimated_gains(environment, draws, method=method, **more)
        document["estimated"] = {
            "draws": draws,
            "median_gain": gained.quantile(0.5),
            "gain_95": gained.quantile(0.95),
            "largest_gain": float(gained.gains.max()),
            "without_transfers": gained.failures,
        }
    if gain_below is not None:
        needed = draws_needed(environment, gain_below, method=method, **more)
        document["draws_needed"] = {"gain": gain_below, "share": 0.95, "draws": needed}
    if csv is not None or latex is not None:
        write_tables(study, found, csv, latex)
    if as_json:
        say(output.to_json(document))
    else:
        show_rows([*output.title_rows(file.title), *_rows(study), *_estimated(document)])
        for row in document.get("systems", []):
            show_rows(system_rows(row))
        for row in document.get("payments", []):
            show_rows([("payment", payment_words(row))])
    if study.failure is not None:
        tell(f"no transfers: {study.failure}")
    elif study.check is not None and not study.check.holds:
        tell(f"the transfers do not pass their own verification, {study.check.status}: {study.check.counterexample}")
    if not study.holds and not report_only:
        raise typer.Exit(1)
    if check:
        check_expected(document, file.expected)


def _kernels(environment: InterdependentTypes, radius: str | None, box: str | None, within: list[str]) -> Any:
    """The set of kernels that transfers are to be right for; None where none was asked for."""
    from mechopt.core.errors import InputError
    from mechopt.environment.kernels.ball import KernelBall
    from mechopt.environment.kernels.box import KernelBox
    from mechopt.environment.kernels.hull import KernelHull
    from mechopt.modelfile import read

    if (radius is not None) + (box is not None) + bool(within) > 1:
        raise InputError("radius, box, within: give one of them")
    if radius is not None:
        return KernelBall(radius)
    if box is not None:
        return KernelBox.around(environment, box)
    others = [joint_environment(read(model)) for model in within]
    return KernelHull([list((other.exact or other).kernel) for other in others]) if others else None


def _ball(kernels: Any) -> Any:
    """The radius of a ball, which is drawn anew around every estimate."""
    from mechopt.core.errors import InputError
    from mechopt.environment.kernels.ball import KernelBall

    if not isinstance(kernels, KernelBall):
        raise InputError("draws: transfers from estimates are made robust by --radius; leave --box and --within out")
    return kernels


def _of_method(method: str, last_period: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the method for estimated kernels, which have no exact transfers."""
    more = {key: value for key, value in asked.items() if key not in ("exact", "joint")} if method == "any" else {}
    return more | {"last_period": last_period}


def _estimated(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of estimates from draws."""
    rows = []
    if (gained := document.get("estimated")) is not None:
        words = f"gains: median {gained['median_gain']:.4g}, 95% {gained['gain_95']:.4g}"
        rows.append((f"from {gained['draws']:,} draws", f"{words}, largest {gained['largest_gain']:.4g}"))
    if (needed := document.get("draws_needed")) is not None:
        rows.append((f"gain at most {needed['gain']:g}", f"{needed['draws']:,} draws, in 95 of 100 estimates"))
    return rows


def _prove(study: TransferStudy, path: str) -> None:
    """Write the proof of what was found."""
    from mechopt.closedform.contingent.program.possible import NoTransfersError
    from mechopt.closedform.contingent.robust.transfers import NoRobustTransfersError
    from mechopt.core.errors import InputError
    from mechopt.study.transfer_proof import transfer_proof

    if study.transfers is not None:
        transfer_proof(study.transfers).save(path)
    elif isinstance(study.failure, (NoTransfersError, NoRobustTransfersError)):
        transfer_proof(study.failure).save(path)
    else:
        raise InputError("proof: a condition that fails proves nothing, as it is only sufficient; add --method any")


def joint_environment(file: ModelFile) -> InterdependentTypes:
    """The environment, also of private persistent types (for which the conditions fail, and it says why)."""
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.environment.markov import MarkovTypes

    if isinstance(file.environment, MarkovTypes):
        return InterdependentTypes.from_markov(file.environment)
    return file.of_kind(InterdependentTypes)


def _rows(study: TransferStudy) -> list[tuple[str, str]]:
    """Rows printed for people."""
    from mechopt.core.numbers import without_noise

    rows = [
        ("convex independence", _after(repr(study.convex_independence))),
        ("spanning", _after(repr(study.spanning))),
    ]
    if study.last_period is not None:
        rows.append(("last period", _after(repr(study.last_period))))
    if study.transfers is not None:
        found = study.transfers
        flag = f", ill-conditioned, condition {found.condition:.3g}" if found.ill_conditioned else ""
        deficit = without_noise(found.deficit, max(study.welfare, found.max_abs))
        sizes = f"largest {found.max_abs:.6g}, bound {found.bound:.6g}, deficit {deficit:.6g}{flag}"
        rows.append(("transfers", f"{found.theorem}; {sizes}"))
    if study.check is not None:
        found_check = study.check
        status = str(found_check.status) if found_check.holds else str(found_check.status).upper()
        bound = f", rounding {found_check.rounding:.3g}" if found_check.status == "undecided" else ""
        rows.append(("periodic-ex-post", f"{status} (largest gain {found_check.gain:.3g}{bound})"))
    rows.append(("welfare", f"{study.welfare:.12g}"))
    return [*rows, *((f"by {row.name}", str(row)) for row in study.methods)]


def _after(text: str) -> str:
    """Text between the brackets of a representation."""
    return text[text.index("(") + 1 : -1]
