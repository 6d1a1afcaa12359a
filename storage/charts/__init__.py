"""Pictures of validation: plain data in, SVG or PNG out, the same bytes for the same data.

They stand here, below both rooms that show them, because flows put them beside their runs and the API serves them, and
neither may import the other. Nothing in here knows a table, a model or a route; matplotlib is imported by the first
picture that is drawn.

Every chart has a sentence that says what it shows (`..._says`), for who cannot see it: it is the title of the SVG and
the alternative text of a page.
"""

from governance.validation.pictures import CalibrationBin, ForestRow, NightRow, SeriesPoint
from storage.charts.canvas import Form
from storage.charts.comparing import (
    DriftRow,
    drift_chart,
    drift_says,
    forest_says,
    reliability_diagram,
    reliability_says,
    slice_forest,
)
from storage.charts.nights import (
    night_overview,
    nights_say,
    series_chart,
    series_says,
)

__all__ = [
    "CalibrationBin",
    "DriftRow",
    "ForestRow",
    "Form",
    "NightRow",
    "SeriesPoint",
    "drift_chart",
    "drift_says",
    "forest_says",
    "night_overview",
    "nights_say",
    "reliability_diagram",
    "reliability_says",
    "series_chart",
    "series_says",
    "slice_forest",
]
