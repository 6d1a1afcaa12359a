"""Stand-in for the drawings: the same names, bare."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

from governance.validation.pictures import CalibrationBin, ForestRow, NightRow, SeriesPoint

__all__ = [
    "CalibrationBin",
    "ForestRow",
    "NightRow",
    "SeriesPoint",
    "night_overview",
    "reliability_diagram",
    "series_chart",
    "slice_forest",
]
Form = Literal["svg", "png"]


def series_chart(
    points: Sequence[SeriesPoint], *, title: str, unit: str, baseline: float | None, form: Form = "svg"
) -> bytes:
    return _drawn([point.value for point in points], title, form)


def slice_forest(rows: Sequence[ForestRow], *, title: str, unit: str, limit: float | None, form: Form = "svg") -> bytes:
    return _drawn([row.estimate for row in rows], title, form)


def reliability_diagram(bins: Sequence[CalibrationBin], *, title: str, form: Form = "svg") -> bytes:
    return _drawn([one.share for one in bins], title, form)


def night_overview(nights: Sequence[NightRow], *, title: str, form: Form = "svg") -> bytes:
    return _drawn([night.failed for night in nights], title, form)


def _drawn(values: Sequence[float], title: str, form: Form) -> bytes:
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.plot(values, "o")
    axes.set_title(title)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=form, metadata={"Date": None} if form == "svg" else None)
    return drawn.getvalue()
