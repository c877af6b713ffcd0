"""Lemmas of the literature on instances of finite types: what each claims, measured. The names stand in
``lemmas.pyi``; each is loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
