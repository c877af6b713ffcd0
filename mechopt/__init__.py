"""Finite-type dynamic mechanism design: optimal mechanisms by linear programming, verified and compared.

The public names are listed in ``__init__.pyi``; each is loaded from its module on first use, so that ``import mechopt``
stays quick.
"""

from typing import Any

import lazy_loader

from mechopt import registrations as registrations

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """A public name, or ``__version__``, which is written in the project's metadata alone."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mechopt")
    return _public(name)
