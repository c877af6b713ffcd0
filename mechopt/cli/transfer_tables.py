"""Tables of systems and payments for `mechopt transfers`."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechopt.closedform.contingent.program.places import TransferSystems
    from mechopt.study.transfers import TransferStudy


def write_tables(study: TransferStudy, systems: TransferSystems | None, csv: str | None, latex: str | None) -> None:
    """Write payments or systems to files, whole or not at all."""
    from mechopt.closedform.contingent.program import tables
    from mechopt.core.atomic import write_atomically
    from mechopt.core.errors import InputError

    columns: tuple[str, ...]
    if systems is not None:
        rows, columns = systems.rows(), tables.SYSTEM_COLUMNS
    elif study.transfers is not None:
        rows, columns = tables.payment_rows(study.transfers), tables.PAYMENT_COLUMNS
    else:
        raise InputError("csv, latex: there are no payments to write; add --systems for the systems")
    if csv is not None:
        text = tables.separated(rows, columns)
        write_atomically(csv, lambda out: _write(out, text))
    if latex is not None:
        table = tables.latex(rows, columns)
        write_atomically(latex, lambda out: _write(out, table))


def _write(out: IO[bytes], text: str) -> None:
    out.write(text.encode() + b"\n")


def system_words(row: dict[str, Any]) -> str:
    """A place in words."""
    others, used = ", ".join(row["others"]), ", ".join(row["used"])
    which = f"reports that lead here: {used}" if used else "no report leads here"
    return f"agent {row['agent']}, period {row['period']}, action {row['action']}, others at {others}; {which}"


def system_rows(row: dict[str, Any]) -> list[tuple[str, str]]:
    """A system for people."""
    from mechopt.closedform.contingent.program.places import MARGIN

    numbers = {key: ", ".join(f"{x:.6g}" for x in row[key]) for key in ("singular_values", "distances", "target")}
    matrix = "; ".join(" ".join(f"{x:.6g}" for x in line) for line in row["matrix"])
    spanning, convex = (
        f"brought to a margin of {MARGIN:g} by one of {row[key]:.4g}" if row[key] is not None else "out of reach"
        for key in ("to_restore_spanning", "to_restore_convex_independence")
    )
    return [
        ("system", system_words(row)),
        ("  matrix", matrix),
        ("  target", numbers["target"]),
        ("  rank", f"{row['rank']} of {row['signals']}; singular values {numbers['singular_values']}"),
        ("  distances", numbers["distances"]),
        ("  spanning", _lost("a change", row["to_lose_spanning"], spanning)),
        ("  convex independence", _lost("a move", row["to_lose_convex_independence"], convex)),
        *(
            ("  null vector", f"{' '.join(f'{x:.4g}' for x in vector)}; times the target {unmet:.4g}")
            for vector, unmet in zip(row["null_vectors"], row["unmet"], strict=True)
        ),
    ]


def _lost(by: str, size: float, restored: str) -> str:
    """How far a condition is from being lost, and from a margin; one signal alone cannot lose it."""
    return "cannot be lost: one own signal" if size == float("inf") else f"lost by {by} of {size:.4g}, {restored}"


def payment_words(row: dict[str, Any]) -> str:
    """A payment in words."""
    about = f"agent {row['agent']}, due in period {row['due']}"
    if row["action"] is not None:
        about += f", action {row['action']}, others at {', '.join(row['others'])}"
    if row["report"] is not None:
        about += f", report {row['report']}"
    if row["others_next"]:
        about += f", others next at {', '.join(row['others_next'])}"
    return f"{about}: {row['exact'] or format(row['payment'], '.6g')}"
