"""Finite-type dynamic mechanism design: optimal mechanisms by linear programming, verified and compared.

The public names are listed in ``__init__.pyi``; each is loaded from its module on first use, so that ``import mechopt``
stays quick.
"""

import lazy_loader

from mechopt import registrations as registrations

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
