"""The environments of the papers, as functions of their parameters, and what makes environments.
The names stand in ``families.pyi``; each is loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
