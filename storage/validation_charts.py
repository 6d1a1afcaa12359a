"""Pictures of validation as SVG or PNG: the one place where what is shown meets what draws it."""

from __future__ import annotations

from typing import Literal

from governance.validation.pictures import Forest, Picture, Reliability, Series

Form = Literal["svg", "png"]
MEDIA_TYPES: dict[str, str] = {"svg": "image/svg+xml", "png": "image/png"}


def draw(picture: Picture, form: Form) -> bytes:
    """Takes some tenths of a second, the first one in a process longer."""
    from storage import charts

    title = picture.title
    if isinstance(picture, Series):
        return charts.series_chart(picture.points, title=title, unit=picture.unit, baseline=picture.baseline, form=form)
    if isinstance(picture, Forest):
        return charts.slice_forest(picture.rows, title=title, unit=picture.unit, limit=picture.limit, form=form)
    if isinstance(picture, Reliability):
        return charts.reliability_diagram(picture.bins, title=title, form=form)
    return charts.night_overview(picture.nights, title=title, form=form)
