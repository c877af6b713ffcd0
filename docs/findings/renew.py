"""Find all formulas of this folder anew and write their proofs: ``python docs/findings/renew.py``."""

from pathlib import Path

import mechopt as mo
from mechopt.modelfile.parametric import kind_of

for model in sorted((Path(__file__).parent / "proofs").glob("*.toml")):
    found = mo.mechanisms.guarantee_formula(model) if kind_of(model) == "scenarios" else mo.formula(model)
    found.save(model.with_suffix(".json"))
    print(f"{model.stem}: {found!r}")
