from .study.fit.bootstrap import Interval as Interval
from .study.fit.panel import fit_panel as fit_panel
from .study.fit.prices import fit_second_price as fit_second_price
from .study.fit.read import Dropped as Dropped
from .study.fit.read import bundled_data as bundled_data
from .study.fit.result import Fit as Fit
from .study.fit.types import Distance as Distance
from .study.fit.values import fit_values as fit_values
