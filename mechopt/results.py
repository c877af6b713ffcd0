"""Classes of what the functions of `mechopt` return. The names stand in ``results.pyi``; each is
loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
