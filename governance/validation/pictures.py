"""What the pictures of validation show, as plain values; drawing them is another thing (`storage.validation_charts`).

Runs are mappings as `storage.tables.validation` keeps them: `measured` and `judged` are the JSON of those columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from governance.canonical import digest_of
from governance.regression.settings import DEVIATIONS, POINTS

# (unit, the smallest drop of a slice that counts) by the kind of what was measured, as the judgement takes them.
_UNITS: dict[str, tuple[str, float]] = {
    "losses": ("standard deviations of the baseline's losses", DEVIATIONS.least_in_slice)
}
_POINTS = ("share of the examples", POINTS.least_in_slice)
MOST_SLICES = 40  # rows of one picture
_DROP = ("drop", "lower", "upper")


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A score with its interval, where there is one. alarm: a regression was detected there."""

    label: str
    value: float
    low: float | None
    high: float | None
    alarm: bool


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A drop against the baseline, positive when worse, with its interval. n: examples."""

    name: str
    estimate: float
    low: float
    high: float
    n: int
    detected: bool


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Among n answers given with this mean confidence, the share that was right."""

    confidence: float
    share: float
    n: int


@dataclass(frozen=True, slots=True)
class NightRow:
    label: str
    passed: int
    failed: int
    errors: int
    undecided: int
    regressions: int


@dataclass(frozen=True, slots=True)
class Series:
    """baseline: the pinned version's score."""

    points: tuple[SeriesPoint, ...]
    title: str
    unit: str
    baseline: float | None


@dataclass(frozen=True, slots=True)
class Forest:
    """limit: the smallest drop that counts."""

    rows: tuple[ForestRow, ...]
    title: str
    unit: str
    limit: float


@dataclass(frozen=True, slots=True)
class Reliability:
    bins: tuple[CalibrationBin, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Overview:
    nights: tuple[NightRow, ...]
    title: str


Picture = Series | Forest | Reliability | Overview


def digest_of_picture(picture: Picture) -> str:
    """Of everything that it shows."""
    return digest_of({"kind": type(picture).__name__, **_plain(asdict(picture))})


def suite_to_show(run: Mapping[str, Any]) -> str | None:
    """The id of the suite that a picture of the run is about unless one is named: the first with a regression, else
    the first that was compared, else the first with a score. None without any.
    """
    judged, suites = _judged(run), _suites(run)
    ids = [str(suite["suite_id"]) for suite in suites]
    detected = [one for one in ids if judged.get(one, {}).get("detected")]
    compared = [one for one in ids if judged.get(one, {}).get("drop") is not None]
    scored = [str(suite["suite_id"]) for suite in suites if suite.get("score") is not None]
    return next(iter([*detected, *compared, *scored]), None)


def series(runs: Sequence[Mapping[str, Any]], suite_id: str) -> Series | None:
    """The scores of one suite over the runs of a version, oldest first, beside the baseline of the last one."""
    points, last = [], None
    for run in runs:
        suite = _suite(run, suite_id)
        if suite is None or not _is_number(suite.get("score")):
            continue
        judged = _judged(run).get(suite_id, {})
        low, high = _interval(suite, judged)
        points.append(SeriesPoint(str(run["label"]), float(suite["score"]), low, high, bool(judged.get("detected"))))
        last = suite
    if last is None:
        return None
    baseline = (last.get("baseline") or {}).get("score")
    unit = "score, lower is better" if last.get("lower_is_better") else "score"
    return Series(tuple(points), f"Score of {last['suite']}", unit, baseline if _is_number(baseline) else None)


def forest(run: Mapping[str, Any], suite_id: str) -> Forest | None:
    """The drop over all examples of a suite, and that of each slice; detected ones first, then the largest."""
    suite, judged = _suite(run, suite_id), _judged(run).get(suite_id)
    if suite is None or judged is None:
        return None
    whole = _row("all examples", {**judged, "n": judged.get("n", suite.get("n"))})
    rows = [row for one in judged.get("slices") or () if (row := _row(str(one["name"]), one)) is not None]
    rows.sort(key=lambda row: (not row.detected, -row.estimate, row.name))
    shown = ([whole] if whole is not None else []) + rows[:MOST_SLICES]
    if not shown:
        return None
    unit, limit = _UNITS.get(_kind(suite), _POINTS)
    return Forest(tuple(shown), f"{suite['suite']}: loss against the baseline, by slice", unit, limit)


def reliability(run: Mapping[str, Any], suite_id: str) -> Reliability | None:
    """How often answers of a suite were right at each confidence: `results["calibration"]["bins"]`."""
    suite = _suite(run, suite_id)
    results = (suite or {}).get("results") or {}
    found = (results.get("calibration") or {}).get("bins") or ()
    bins = [CalibrationBin(float(one["confidence"]), float(one["share"]), int(one["n"])) for one in found if one["n"]]
    if suite is None or not bins:
        return None
    return Reliability(tuple(bins), f"Reliability of {suite['suite']}")


def overview(nights: Iterable[tuple[str, Mapping[str, int], int]]) -> Overview:
    """nights: (label, runs by status, regressions), oldest first."""
    rows = tuple(
        NightRow(
            label,
            counts.get("passed", 0),
            counts.get("failed", 0),
            counts.get("error", 0),
            counts.get("insufficient_evidence", 0),
            regressions,
        )
        for label, counts, regressions in nights
    )
    return Overview(rows, "Nights of validation")


def _kind(suite: Mapping[str, Any]) -> str:
    return str(((suite.get("measurement") or {}).get("overall") or {}).get("kind"))


def _suites(run: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (run.get("measured") or {}).get("suites") or ()


def _suite(run: Mapping[str, Any], suite_id: str) -> Mapping[str, Any] | None:
    return next((suite for suite in _suites(run) if str(suite["suite_id"]) == suite_id), None)


def _judged(run: Mapping[str, Any]) -> Mapping[str, Any]:
    return (run.get("judged") or {}).get("suites") or {}


def _interval(suite: Mapping[str, Any], judged: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Of the score, from that of the drop; none where the drop is in another unit than the score."""
    figures = [
        float(figure)
        for figure in ((suite.get("baseline") or {}).get("score"), *(judged.get(one) for one in _DROP))
        if _is_number(figure)
    ]
    if len(figures) < 1 + len(_DROP):
        return None, None
    baseline, drop, lower, upper = figures
    told = suite.get("lower_is_better")  # older runs do not tell
    signs = (-1.0, 1.0) if told is None else (1.0,) if told else (-1.0,)
    for sign in signs:  # a score loses by a drop, a mean loss grows by it
        if math.isclose(baseline + sign * drop, suite["score"], abs_tol=1e-6):
            ends = sorted((baseline + sign * lower, baseline + sign * upper))
            return ends[0], ends[1]
    return None, None


def _row(name: str, found: Mapping[str, Any]) -> ForestRow | None:
    figures = [float(found[key]) for key in _DROP if _is_number(found.get(key))]
    if len(figures) < len(_DROP):
        return None
    drop, lower, upper = figures
    return ForestRow(name, drop, lower, upper, int(found.get("n") or 0), bool(found.get("detected")))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
