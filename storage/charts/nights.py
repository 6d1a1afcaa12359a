"""Night after night: one metric with its pinned baseline, and what a whole fleet's nights came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from governance.validation.pictures import NightRow, SeriesPoint
from storage.charts.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    RED,
    SKY,
    Form,
    drawn,
    figure_of,
    nothing_yet,
    shown,
    ticks_below,
)

MOST_POINTS = 400
"""The newest are shown."""
MOST_NIGHTS = 90


def series_chart(
    points: Sequence[SeriesPoint], *, title: str, unit: str, baseline: float | None, form: Form = "svg"
) -> bytes:
    """A metric by night: its interval as a band, the pinned baseline as a line, alarms as diamonds.

    Values that are not finite are left out.
    """
    kept = _finite(points)
    level = baseline if baseline is not None and math.isfinite(baseline) else None

    def paint(axes: Any) -> None:
        if not kept:
            nothing_yet(axes, "Nothing has been measured yet.")
            return
        places = range(len(kept))
        values = [one.value for one in kept]
        pairs = [_interval(one) for one in kept]
        if any(pair is not None for pair in pairs):
            if len(kept) > 2:
                low, high = ([math.nan if pair is None else pair[side] for pair in pairs] for side in (0, 1))
                axes.fill_between(places, low, high, color=SKY, alpha=0.35, linewidth=0, label="95 % interval")
            else:
                for place, pair in zip(places, pairs, strict=True):
                    if pair is not None:
                        axes.vlines(place, *pair, color=SKY, linewidth=5, alpha=0.6)
        marker = "o" if len(kept) <= 60 else None
        axes.plot(places, values, color=BLUE, linewidth=1.6, marker=marker, markersize=3.5, label="measured")
        if level is not None:
            axes.axhline(level, color=INK, linewidth=1.2, linestyle=(0, (5, 3)), label="pinned baseline")
        if alarmed := [(place, one.value) for place, one in zip(places, kept, strict=True) if one.alarm]:
            axes.plot(*zip(*alarmed, strict=True), color=RED, marker="D", markersize=7, linestyle="",
                      markeredgecolor=INK, label="alarm", zorder=4)  # fmt: skip
        axes.set_ylabel(shown(unit, 26))
        axes.set_xlabel("night")
        axes.grid(axis="y")
        axes.margins(y=0.12)
        if len(kept) == 1 and level is None and pairs[0] is None:
            axes.set_ylim(values[0] - 1, values[0] + 1)
        ticks_below(axes, [one.label for one in kept])
        _legend_below(axes)

    return drawn(form, title, series_says(points, title=title, unit=unit, baseline=baseline), paint, height=3.9)


def series_says(points: Sequence[SeriesPoint], *, title: str, unit: str, baseline: float | None) -> str:
    """One sentence."""
    kept = _finite(points)
    if not kept:
        return f"{shown(title, 120)}: nothing has been measured yet."
    last, alarms = kept[-1], [one.label for one in kept if one.alarm]
    told = f"{shown(title, 120)}: {len(kept)} night{'s' * (len(kept) > 1)}, the last one"
    told += f" ({shown(last.label, 30)}) at {figure_of(last.value)} {shown(unit, 40)}"
    if (pair := _interval(last)) is not None:
        told += f" (95 % interval {figure_of(pair[0])} to {figure_of(pair[1])})"
    if baseline is not None and math.isfinite(baseline):
        told += f", against a pinned baseline of {figure_of(baseline)}"
    if not alarms:
        return f"{told}; no alarm."
    return f"{told}; {len(alarms)} alarm{'s' * (len(alarms) > 1)}, the last in the night of {shown(alarms[-1], 30)}."


def _finite(points: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    return [one for one in points if math.isfinite(one.value) and abs(one.value) < 1e15][-MOST_POINTS:]


def _interval(point: SeriesPoint) -> tuple[float, float] | None:
    low, high = point.low, point.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return (low, high) if max(abs(low), abs(high)) < 1e15 else None


_ENDINGS = (
    ("passed", "passed", GREEN, ""),
    ("undecided", "insufficient evidence", LINES, ".."),
    ("failed", "failed", ORANGE, "//"),
    ("errors", "error", GREY, "xx"),
)


def night_overview(nights: Sequence[NightRow], *, title: str, form: Form = "svg") -> bytes:
    """Each night a bar of counts by ending, with the number of regressions above it."""
    kept = list(nights)[-MOST_NIGHTS:]

    def paint(axes: Any) -> None:
        if not kept:
            nothing_yet(axes, "No night has been validated yet.")
            return
        places = list(range(len(kept)))
        bottom = [0] * len(kept)
        for field, label, color, hatch in _ENDINGS:
            heights = [max(0, int(getattr(one, field))) for one in kept]
            if not any(heights) and field != "passed":
                continue
            axes.bar(places, heights, 0.78, bottom=bottom, color=color, hatch=hatch, edgecolor="white", linewidth=0.4,
                     label=label)  # fmt: skip
            bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
        top = max(bottom) or 1
        found = [(place, total) for place, one, total in zip(places, kept, bottom, strict=True) if one.regressions > 0]
        if found:
            axes.plot([place for place, _ in found], [total + top * 0.04 for _, total in found], color=RED, marker="v",
                      markersize=6, linestyle="", markeredgecolor=INK, label="regressions found")  # fmt: skip
        if len(kept) <= 31:
            for place, total in found:
                axes.text(place, total + top * 0.075, f"{kept[place].regressions:,}", ha="center", va="bottom",
                          fontsize=8, color=RED)  # fmt: skip
        axes.set_ylim(0, top * (1.2 if found else 1.06))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel("model versions")
        axes.set_xlabel("night")
        axes.grid(axis="y")
        ticks_below(axes, [one.label for one in kept])
        _legend_below(axes)

    return drawn(form, title, nights_say(nights, title=title), paint, height=3.9)


def nights_say(nights: Sequence[NightRow], *, title: str) -> str:
    """One sentence."""
    kept = list(nights)[-MOST_NIGHTS:]
    if not kept:
        return f"{shown(title, 120)}: no night has been validated yet."
    last = kept[-1]
    return (
        f"{shown(title, 120)}: {len(kept)} night{'s' * (len(kept) > 1)}; in the last one ({shown(last.label, 30)}) "
        f"{last.passed:,} passed, {last.failed:,} failed, {last.errors:,} ended in an error, {last.undecided:,} had "
        f"too little evidence, and {last.regressions:,} regression{'s' * (last.regressions != 1)} "
        f"{'were' if last.regressions != 1 else 'was'} found."
    )


def _legend_below(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if labels and labels[0].startswith("regressions"):  # lines come first; here the bars say more
        handles, labels = [*handles[1:], handles[0]], [*labels[1:], labels[0]]
    if handles:
        axes.figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
