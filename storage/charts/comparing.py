"""Side by side: slices of a dataset, bins of confidence, features of live traffic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.validation.pictures import CalibrationBin, ForestRow
from storage.charts.canvas import (
    BLUE,
    INK,
    LINES,
    ORANGE,
    PAPER,
    RED,
    SKY,
    Form,
    drawn,
    figure_of,
    nothing_yet,
    shown,
)

MOST_ROWS = 40
"""Of a chart with a line for each; the rest is counted."""


@dataclass(frozen=True)
class DriftRow:
    """severity: none, moderate or severe; anything else is drawn as undecided."""

    feature: str
    psi: float
    severity: str


def slice_forest(rows: Sequence[ForestRow], *, title: str, unit: str, limit: float | None, form: Form = "svg") -> bytes:
    """Every slice with its interval, the line of no change, and the limit beyond which a change counts.

    Of more than 40 slices those are shown that were detected or changed most.
    """
    usable = [one for one in rows if all(map(_drawable, (one.estimate, one.low, one.high)))]
    order = sorted(usable, key=lambda one: (not one.detected, -abs(one.estimate), one.name))[:MOST_ROWS]
    left_out = len(usable) - len(order)

    def paint(axes: Any) -> None:
        if not order:
            nothing_yet(axes, "No slice has been measured yet.")
            return
        for place, one in enumerate(order):
            color, marker = (RED, "D") if one.detected else (BLUE, "o")
            axes.hlines(place, one.low, one.high, color=color, linewidth=1.8)
            axes.plot([one.estimate], [place], color=color, marker=marker, markersize=6, markeredgecolor=INK,
                      markeredgewidth=0.6)  # fmt: skip
        axes.axvline(0, color=INK, linewidth=1)
        if limit is not None and _drawable(limit):
            axes.axvline(limit, color=ORANGE, linewidth=1.4, linestyle=(0, (5, 3)))
            axes.annotate(f"limit {figure_of(limit)}", (limit, 1), xycoords=("data", "axes fraction"), xytext=(3, 2),
                          textcoords="offset points", fontsize=8, color=INK, va="bottom")  # fmt: skip
        axes.set_yticks(range(len(order)))
        axes.set_yticklabels([f"{shown(one.name)}  (n = {one.n:,})" for one in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        more = f"; {left_out:,} more slices are not shown" if left_out else ""
        axes.set_xlabel(f"change in {shown(unit, 26)}, 95 % interval\n◆ detected{more}")
        axes.grid(axis="x")
        axes.margins(x=0.06)

    says = forest_says(rows, title=title, unit=unit)
    return drawn(form, title, says, paint, height=1.7 + 0.26 * max(3, len(order)))


def forest_says(rows: Sequence[ForestRow], *, title: str, unit: str) -> str:
    """One sentence."""
    usable = [one for one in rows if all(map(_drawable, (one.estimate, one.low, one.high)))]
    if not usable:
        return f"{shown(title, 120)}: no slice has been measured yet."
    found = [one for one in usable if one.detected]
    worst = max(found or usable, key=lambda one: abs(one.estimate))
    return (
        f"{shown(title, 120)}: {len(usable)} slice{'s' * (len(usable) > 1)}, {len(found)} detected; the largest change "
        f"is {figure_of(worst.estimate)} {shown(unit, 40)} ({figure_of(worst.low)} to {figure_of(worst.high)}) "
        f"in {shown(worst.name, 60)}."
    )


def reliability_diagram(bins: Sequence[CalibrationBin], *, title: str, form: Form = "svg") -> bytes:
    """Predicted probability against what came true; the area of a point grows with its examples."""
    kept = _bins(bins)

    def paint(axes: Any) -> None:
        if not kept:
            nothing_yet(axes, "There are no probabilities to compare.")
            return
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1.1, linestyle=(0, (5, 3)))
        axes.annotate("as predicted", (0.03, 0.05), rotation=45, rotation_mode="anchor", fontsize=8, color=INK)
        for one in kept:
            axes.vlines(one.confidence, *sorted((one.confidence, one.share)), color=ORANGE, linewidth=1.6)
        axes.plot([one.confidence for one in kept], [one.share for one in kept], color=BLUE, linewidth=1.2)
        most = max(one.n for one in kept)
        areas = [12 + 130 * one.n / most for one in kept]
        axes.scatter([one.confidence for one in kept], [one.share for one in kept], s=areas, color=SKY,
                     edgecolors=BLUE, linewidths=1.2, zorder=3)  # fmt: skip
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share that came true")
        axes.grid()
        note = f"{sum(one.n for one in kept):,} examples\ncalibration error {_error(kept):.3f}"
        axes.text(0.03, 0.97, note, transform=axes.transAxes, fontsize=8.5, va="top")

    return drawn(form, title, reliability_says(bins, title=title), paint, height=5.2, square=True)


def reliability_says(bins: Sequence[CalibrationBin], *, title: str) -> str:
    """One sentence."""
    kept = _bins(bins)
    if not kept:
        return f"{shown(title, 120)}: there are no probabilities to compare."
    worst = max(kept, key=lambda one: abs(one.share - one.confidence))
    return (
        f"{shown(title, 120)}: {sum(one.n for one in kept):,} examples in {len(kept)} bins, expected calibration error "
        f"{_error(kept):.3f}; furthest off where {worst.confidence:.0%} was predicted and {worst.share:.0%} came true."
    )


def _bins(bins: Sequence[CalibrationBin]) -> list[CalibrationBin]:
    usable = [one for one in bins if one.n > 0 and 0 <= one.confidence <= 1 and 0 <= one.share <= 1]
    return sorted(usable, key=lambda one: one.confidence)[:200]


def _error(bins: Sequence[CalibrationBin]) -> float:
    """Expected calibration error: the mean distance, weighted by examples (Naeini et al., AAAI 2015)."""
    return sum(one.n * abs(one.share - one.confidence) for one in bins) / sum(one.n for one in bins)


_SEVERITIES = {"none": (SKY, ""), "moderate": (ORANGE, "//"), "severe": (RED, "xx")}
_UNDECIDED = (LINES, "..")
_HALO = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}


def drift_chart(
    rows: Sequence[DriftRow],
    *,
    title: str,
    moderate: float = 0.1,
    severe: float = 0.25,
    form: Form = "svg",
) -> bytes:
    """Features by PSI, the largest first, with the conventional limits; of more than 40 the rest is counted."""
    usable = [one for one in rows if _drawable(one.psi)]
    order = sorted(usable, key=lambda one: (-one.psi, one.feature))[:MOST_ROWS]

    def paint(axes: Any) -> None:
        if not order:
            nothing_yet(axes, "No feature has been compared yet.")
            return
        places = range(len(order))
        for word in (*_SEVERITIES, "undecided"):
            color, hatch = _SEVERITIES.get(word, _UNDECIDED)
            mine = [place for place in places if _word(order[place]) == word]
            if mine:
                axes.barh(mine, [max(0.0, order[place].psi) for place in mine], 0.7, color=color, hatch=hatch,
                          edgecolor="white", linewidth=0.4, label=word)  # fmt: skip
        right = max(severe * 1.15, max(one.psi for one in order) * 1.12)
        for place, one in enumerate(order):
            axes.text(max(0.0, one.psi) + right * 0.008, place, f"{one.psi:,.3f}", va="center", fontsize=8, bbox=_HALO)
        for limit, word in ((moderate, "moderate"), (severe, "severe")):
            axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (5, 3)))
            if severe > 0.05 * right or word == "severe":  # far apart enough for both words
                axes.annotate(word, (limit, 1), xycoords=("data", "axes fraction"), xytext=(2, 2), fontsize=8,
                              textcoords="offset points", va="bottom")  # fmt: skip
        axes.set_xlim(0, right)
        axes.set_yticks(places)
        axes.set_yticklabels([shown(one.feature) for one in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        left_out = len(usable) - len(order)
        axes.set_xlabel("PSI" + (f"; {left_out:,} more features are below these" if left_out else ""))
        axes.grid(axis="x")
        handles, labels = axes.get_legend_handles_labels()
        axes.figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))

    says = drift_says(rows, title=title)
    return drawn(form, title, says, paint, height=1.8 + 0.26 * max(3, len(order)))


def drift_says(rows: Sequence[DriftRow], *, title: str) -> str:
    """One sentence."""
    usable = [one for one in rows if _drawable(one.psi)]
    if not usable:
        return f"{shown(title, 120)}: no feature has been compared yet."
    moved = [one for one in usable if one.severity in ("moderate", "severe")]
    most = max(usable, key=lambda one: one.psi)
    return (
        f"{shown(title, 120)}: {len(moved)} of {len(usable)} features have drifted; the largest PSI is "
        f"{figure_of(most.psi)}, of {shown(most.feature, 60)}."
    )


def _word(row: DriftRow) -> str:
    return row.severity if row.severity in _SEVERITIES else "undecided"


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < 1e15
