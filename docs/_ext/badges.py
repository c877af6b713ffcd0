"""The fence ``{badges}``: links that open the notebooks elsewhere, where it is known from which public repository.

The address is that of the clone that a documentation service builds from (``READTHEDOCS_GIT_CLONE_URL``). Elsewhere, as
in the gate, there is none, and nothing is linked.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FENCE = "```{badges}\n```"
HUB = re.compile(r"(?:https://|git@)github\.com[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")
NOTEBOOK = "notebooks/01-from-a-model-file-to-the-optimum.ipynb"


def links(address: str) -> str:
    """Markdown with the links, empty where the address is not of a public repository that they know."""
    found = HUB.match(address)
    if found is None:
        return ""
    name = f"{found[1]}/{found[2]}"
    colab = f"https://colab.research.google.com/github/{name}/blob/main/{NOTEBOOK}"
    binder = f"https://mybinder.org/v2/gh/{name}/main?labpath=notebooks"
    return f"[Open in Colab]({colab}) · [Open in Binder]({binder})"


def on_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Expand the fence of a page."""
    source[0] = source[0].replace(FENCE, links(os.environ.get("READTHEDOCS_GIT_CLONE_URL", "")))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fence."""
    app.connect("source-read", on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
