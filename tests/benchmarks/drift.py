"""What drift costs: sketching a frame of 100,000 rows and 20 columns, the four measures, and taking observations in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from governance.drift.judging import drift_between
from governance.drift.observations import MOST_OBSERVATIONS, read_observations, tally
from governance.drift.report import DriftReference, LiveCounts
from governance.drift.sketches import CategoricalSketch, numeric_sketch
from tests.benchmarks.results import Findings, spread
from tests.benchmarks.telling import Telling

ROWS, COLUMNS = 100_000, 20
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def measure(telling: Telling, *, quick: bool) -> Findings:
    repeats = 3 if quick else 10
    random = np.random.default_rng(1)
    reference = [random.normal(size=ROWS) for _ in range(COLUMNS)]
    live = [random.normal(0.02 * number, size=ROWS) for number in range(COLUMNS)]

    def pinned() -> DriftReference:
        sketches = [numeric_sketch(f"f{number}", values) for number, values in enumerate(reference)]
        return DriftReference("v", "s", "d", None, tuple(one for one in sketches if one is not None), 0, NOW)

    telling.phase("sketching the reference")
    sketching = _seconds(pinned, repeats)
    known = pinned()

    def counted() -> LiveCounts:
        pairs = enumerate(zip(known.sketches, live, strict=True))
        return LiveCounts(
            {at: one.count_array(values) for at, (one, values) in pairs if not isinstance(one, CategoricalSketch)}, ROWS
        )

    telling.phase("counting live rows")
    counting = _seconds(counted, repeats)
    counts = counted()
    telling.phase("the four measures")
    judging = _seconds(lambda: drift_between(known, counts, NOW - timedelta(days=7), NOW), repeats)
    telling.phase("reading observations")
    sent = [
        {"inputs": {f"f{number}": float(values[row]) for number, values in enumerate(live)}}
        for row in range(MOST_OBSERVATIONS)
    ]
    body = orjson.dumps(sent)
    taking = _seconds(lambda: tally(known, read_observations(body), NOW), repeats)
    rate = MOST_OBSERVATIONS / sorted(taking)[len(taking) // 2]
    return Findings(
        {
            "rows": ROWS,
            "columns": COLUMNS,
            "sketchSeconds": spread(sketching),
            "countSeconds": spread(counting),
            "judgeSeconds": spread(judging),
            "observationsPerSecond": round(rate),
        },
        [],
        {
            f"sketch of {ROWS:,} x {COLUMNS}": f"{spread(sketching)['p50']} s",
            f"live counts of {ROWS:,} x {COLUMNS}": f"{spread(counting)['p50']} s",
            f"four measures with intervals, {COLUMNS} features": f"{spread(judging)['p50']} s",
            f"observations of {COLUMNS} features read and counted": f"{rate:,.0f} per second",
        },
    )


def _seconds(work: Callable[[], object], repeats: int) -> list[float]:
    found = []
    for _ in range(repeats):
        before = time.perf_counter()
        work()
        found.append(time.perf_counter() - before)
    return found
