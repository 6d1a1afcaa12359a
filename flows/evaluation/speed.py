"""How long the model takes for one row and for a batch, and how much it does in a second; on this machine, now."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.intervals import Z
from governance.suites.conclusions import Measured

WARM_UP = 3
Columns = Mapping[str, NDArray[Any]]


def performance_metrics(
    features: Columns, definition: Mapping[str, Any], ask: Callable[[Columns], Any]
) -> dict[str, Measured]:
    """Every metric that is asked for. Times are in milliseconds; n is the number of calls."""
    n = len(next(iter(features.values())))
    wanted, calls = definition["metrics"], definition["calls"]
    found: dict[str, Measured] = {}
    if any(name.startswith("latency") for name in wanted):
        rows = [{name: column[i % n : i % n + 1] for name, column in features.items()} for i in range(calls)]
        found |= latencies(_timed(ask, rows), "latency")
    if any(name.startswith(("batch", "throughput")) for name in wanted):
        places = np.arange(definition["batch"]) % n
        times = _timed(ask, [{name: column[places] for name, column in features.items()}] * calls)
        found |= latencies(times, "batch_latency")
        middle = found["batch_latency_p50_ms"]
        per_second = 1000.0 * definition["batch"]
        found["throughput_rows_per_second"] = Measured(
            per_second / middle.value,
            per_second / middle.high if middle.high else None,
            per_second / middle.low if middle.low else None,
            middle.n,
        )
    return {name: found[name] for name in wanted}


def latencies(seconds: Sequence[float], name: str) -> dict[str, Measured]:
    return {f"{name}_p50_ms": quantile(seconds, 0.5), f"{name}_p95_ms": quantile(seconds, 0.95)}


def quantile(seconds: Sequence[float], p: float) -> Measured:
    """In milliseconds, with the interval of order statistics (Conover, Practical Nonparametric Statistics, 3.2)."""
    ordered = np.sort(np.array(seconds)) * 1000
    n = len(ordered)
    half = Z * math.sqrt(n * p * (1 - p))
    low, high = math.floor(n * p - half), math.ceil(n * p + half)
    value = float(np.quantile(ordered, p))
    if low < 0 or high > n - 1:  # too few calls for a bound on this side
        return Measured(value, None, None, n)
    return Measured(value, min(value, float(ordered[low])), max(value, float(ordered[high])), n)


def _timed(ask: Callable[[Columns], Any], inputs: Sequence[Columns]) -> list[float]:
    for one in inputs[:WARM_UP]:
        ask(one)
    times = []
    for one in inputs:
        started = time.perf_counter()
        ask(one)
        times.append(max(time.perf_counter() - started, 1e-9))
    return times
