"""Percentiles of many timings in little space: DDSketch (Masson, Rim, Lee, VLDB 2019) with 1 % relative accuracy.

A timing falls into the bin of its logarithm; a percentile is read from the counts of the bins. Sketches of different
processes and times are merged by adding their counts, which loses nothing. The bytes are those of the `ddsketch`
library (its Protocol Buffers form), which can read and merge them; bins are counted here because the library adds one
value in ten times the time. The API does not import NumPy for it: a thousand timings take a fifth of a millisecond.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

RELATIVE_ACCURACY = 0.01
SMALLEST_MS = 1e-6
"""Timings below a nanosecond count as zero, which bounds the number of bins."""

_GAMMA_1 = 2 * RELATIVE_ACCURACY / (1 - RELATIVE_ACCURACY)  # gamma - 1
_GAMMA = 1 + _GAMMA_1
# Written as the library writes it, so that every timing falls into the very same bin.
_MULTIPLIER = 1 / math.log1p(_GAMMA_1) * math.log(2)


class Sketch:
    """Counts by bin, and how many were zero. Counts are whole numbers, exact up to 2^53."""

    __slots__ = ("bins", "zeros")

    def __init__(self) -> None:
        self.bins: Counter[int] = Counter()
        self.zeros = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self.zeros == other.zeros and +self.bins == +other.bins

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def count(self) -> int:
        return self.zeros + self.bins.total()

    def add(self, timings: Iterable[float]) -> None:
        """timings: milliseconds, finite and not negative."""
        log, ceil, multiplier = math.log, math.ceil, _MULTIPLIER
        values = list(timings)
        above = [value for value in values if value > SMALLEST_MS]
        self.zeros += len(values) - len(above)
        self.bins.update([ceil(log(value, 2) * multiplier) for value in above])

    def merge(self, other: Sketch) -> None:
        self.zeros += other.zeros
        self.bins.update(other.bins)

    def quantile(self, quantile: float) -> float | None:
        """Milliseconds, within 1 % of the value of rank quantile * (n - 1); None when nothing was counted."""
        if not self.count:
            return None
        rank = quantile * (self.count - 1)
        seen = float(self.zeros)
        if rank < seen:
            return 0.0
        for key in sorted(self.bins):
            seen += self.bins[key]
            if seen > rank:
                return _value(key)
        return _value(max(self.bins))

    def above(self, limit: float) -> int:
        """How many timings were above the limit; those within 1 % of it may be counted or not."""
        return sum(count for key, count in self.bins.items() if _value(key) > limit)

    def to_bytes(self) -> bytes:
        pb = _messages()
        low, high = (min(self.bins), max(self.bins)) if self.bins else (0, -1)
        counts = [self.bins[key] for key in range(low, high + 1)]
        message = pb.DDSketch(
            mapping=pb.IndexMapping(gamma=_GAMMA, indexOffset=0.0, interpolation=pb.IndexMapping.NONE),
            positiveValues=pb.Store(contiguousBinCounts=counts, contiguousBinIndexOffset=low),
            negativeValues=pb.Store(),
            zeroCount=self.zeros,
        )
        return bytes(message.SerializeToString())

    def merge_bytes(self, raw: bytes) -> None:
        """Merge what `to_bytes` or the library wrote. Raises ValueError for a sketch of another accuracy."""
        message = _messages().DDSketch.FromString(raw)
        if abs(message.mapping.gamma - _GAMMA) > 1e-12 or message.mapping.indexOffset:
            raise ValueError("a sketch of another accuracy cannot be merged")
        self.zeros += int(message.zeroCount)
        store, bins = message.positiveValues, self.bins
        for key, count in enumerate(store.contiguousBinCounts, store.contiguousBinIndexOffset):
            if count:
                bins[key] += int(count)
        for key, count in store.binCounts.items():
            bins[key] += int(count)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Sketch:
        sketch = cls()
        sketch.merge_bytes(raw)
        return sketch


def _value(key: int) -> float:
    return math.pow(2.0, key / _MULTIPLIER) * (2.0 / (1 + _GAMMA))


@cache
def _messages() -> Any:
    """The library's generated messages, imported when the first sketch is written or read: they take 0.2 s."""
    from ddsketch.pb import ddsketch_pb2

    return ddsketch_pb2
