"""Pictures of validation as SVG or PNG: the one place where what is shown meets what draws it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from governance.validation.pictures import Forest, Picture, Reliability, Series

Form = Literal["svg", "png"]
MEDIA_TYPES: dict[str, str] = {"svg": "image/svg+xml", "png": "image/png"}


def draw(picture: Picture, form: Form) -> bytes:
    """Takes some tenths of a second, the first one in a process longer."""
    from storage import charts

    title = picture.title
    if isinstance(picture, Series):
        points = [charts.SeriesPoint(**asdict(point)) for point in picture.points]
        return charts.series_chart(points, title=title, unit=picture.unit, baseline=picture.baseline, form=form)
    if isinstance(picture, Forest):
        rows = [charts.ForestRow(**asdict(row)) for row in picture.rows]
        return charts.slice_forest(rows, title=title, unit=picture.unit, limit=picture.limit, form=form)
    if isinstance(picture, Reliability):
        bins = [charts.CalibrationBin(**asdict(one)) for one in picture.bins]
        return charts.reliability_diagram(bins, title=title, form=form)
    return charts.night_overview([charts.NightRow(**asdict(night)) for night in picture.nights], title=title, form=form)
