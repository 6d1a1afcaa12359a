"""Stand-in for the drawings: the same functions, bare."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any


def series_chart(points: Sequence[Any], title: str, unit: str, baseline: float | None, form: str) -> bytes:
    return _drawn([point.value for point in points], title, form)


def slice_forest(rows: Sequence[Any], title: str, unit: str, limit: float | None, form: str) -> bytes:
    return _drawn([row.estimate for row in rows], title, form)


def reliability_diagram(bins: Sequence[Any], title: str, form: str) -> bytes:
    return _drawn([one.share for one in bins], title, form)


def night_overview(nights: Sequence[Any], title: str, form: str) -> bytes:
    return _drawn([night.failed for night in nights], title, form)


def _drawn(values: Sequence[float], title: str, form: str) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.plot(values, "o")
    axes.set_title(title)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=form, metadata={"Date": None} if form == "svg" else None)
    return drawn.getvalue()
