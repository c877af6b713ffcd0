"""Values that a notebook shows as a small table; what it says lies above, in the table of registrations."""

from __future__ import annotations

from mechopt.core.provided import provided


class Shown:
    """Base of what has an HTML form for notebooks: small, without scripts, in the notebook's own colours."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        table: str = provided(self, "_repr_html_")(self)
        return table
