"""Refusing programs that would not fit, before they are built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import log10

from mechopt.core.errors import LimitError
from mechopt.lp.independent.plan import SOLVE_BYTES_PER_NONZERO, Size

MEMORY_SHARE = 0.6


def bytes_needed(size: Size, method: str = "auto") -> int:
    """Predict the memory to build and solve a program of a size, by one algorithm of the solver."""
    extra = SOLVE_BYTES_PER_NONZERO["ipx"] - SOLVE_BYTES_PER_NONZERO["simplex"] if method == "ipx" else 0
    return size.bytes + extra * size.nonzeros


def require_size(
    size: Size, lower: float, upper: float, max_bytes: float | None = None, method: str = "auto", remedy: str = ""
) -> None:
    """Refuse a program of a size that would not fit, naming a further remedy; see `program.require_memory`."""
    import psutil

    limit = MEMORY_SHARE * psutil.virtual_memory().available if max_bytes is None else max_bytes
    needed = bytes_needed(size, method)
    if needed <= limit and size.nonzeros < 2**31:
        return
    raise LimitError(
        f"the program would have {approximately(size.rows)} rows, {approximately(size.columns)} columns, "
        f"{approximately(size.nonzeros)} non-zeros ({approximately(size.histories)} histories) and need about "
        f"{approximately(needed)} bytes; the limit is {approximately(int(limit))}. Use fewer periods, types or "
        f"scenarios, a weaker notion, or a machine with more memory{remedy}",
        lower,
        upper,
    )


@contextmanager
def known_before(lower: float, upper: float) -> Iterator[None]:
    """Turn an interrupt (Ctrl-C) of what comes before the solver into a `LimitError` with what is known anyway."""
    try:
        yield
    except KeyboardInterrupt as stop:
        message = f"stopped (interrupted) before the solver began, with {lower:.9g} <= optimum <= {upper:.9g}"
        raise LimitError(message, lower, upper) from stop


def approximately(count: int) -> str:
    """Write a count with separators, or as a power of ten where it is astronomical.

    Examples
    --------
    >>> approximately(12345), approximately(3**60)
    ('12,345', '4.2e28')
    """
    if count < 10**12:
        return f"{count:,}"
    digits = round(log10(count))  # at any size; str() stops at 4300 digits
    digits -= count < 10**digits
    return f"{count // 10 ** (digits - 1) / 10:.1f}e{digits}"
