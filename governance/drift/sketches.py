"""A feature as a row of counts: small, mergeable by addition, and without anybody's values.

The cells are laid out once, over the reference. Numeric, in order: `below` the reference's smallest value, up to 20
bins between its quantiles, `above` its largest value, `missing`, `invalid` (a text where a number belongs). A column of
at most 20 different numbers has a bin for each. Categorical: one cell for each of the 20 most frequent values, `other`,
`missing`, `invalid`. A value that fewer than 10 rows of the reference hold gets no cell of its own: it may name a
person.

Infinities lie below and above everything; NaN is missing. Counting is exact, so that the counts of two halves add up
to those of the whole, in any order (what makes a sketch mergeable: Agarwal et al., Mergeable Summaries, 2012).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 20
LEVELS = 20
RAREST_LEVEL = 10
LONGEST_TEXT = 200
"""Characters of a value that gets a cell; a longer one counts as `other`."""
LONGEST_NAME = 200
PREDICTION = "prediction"
INPUT = "input"

Counts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NumericSketch:
    """edges: ascending, one more than bins; bin i holds edges[i] < x <= edges[i + 1], and the first its lower edge too.

    means: of the reference's values in each bin, in the feature's unit. deviation: standard deviation of the
    reference's values. counts: of the reference, one for each cell.
    """

    name: str
    role: str
    edges: tuple[float, ...]
    means: tuple[float, ...]
    deviation: float
    counts: Counts

    @property
    def kind(self) -> str:
        return "numeric"

    @property
    def cells(self) -> tuple[str, ...]:
        bins = tuple(f"{low:.6g} to {high:.6g}" for low, high in zip(self.edges, self.edges[1:], strict=False))
        return ("below", *bins, "above", "missing", "invalid")

    @property
    def ordered(self) -> int:
        """How many of the cells, from the first one, lie on the number line."""
        return len(self.edges) + 1

    @property
    def positions(self) -> tuple[float, ...]:
        """Where the mass of each ordered cell is taken to be: beyond the edges no further than at the edge."""
        return (self.edges[0], *self.means, self.edges[-1])

    def cell_of(self, value: Any) -> int:
        """The position of the cell of one live value, as JSON brought it."""
        if value is None:
            return self.ordered
        if not isinstance(value, int | float):
            return self.ordered + 1
        if value != value:
            return self.ordered
        if value == self.edges[0]:
            return 1
        return bisect_left(self.edges, value)  # bool is a number, too: false is 0; an int of any size compares exactly

    def count(self, values: Iterable[Any]) -> Counts:
        found = [0] * len(self.counts)
        for value in values:
            found[self.cell_of(value)] += 1
        return tuple(found)

    def count_array(self, values: NDArray[np.float64]) -> Counts:
        """The same for float64 of shape (n,), where NaN is missing."""
        import numpy as np

        present = values[~np.isnan(values)]
        cells = np.searchsorted(self.edges, present, side="left")
        cells[present == self.edges[0]] = 1
        found = np.bincount(cells, minlength=len(self.counts))
        found[self.ordered] = values.size - present.size
        return tuple(int(n) for n in found)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "role": self.role,
            "edges": list(self.edges),
            "means": list(self.means),
            "deviation": self.deviation,
            "counts": list(self.counts),
        }


@dataclass(frozen=True, slots=True)
class CategoricalSketch:
    """levels: the texts that have a cell, most frequent first. counts: of the reference, one for each cell."""

    name: str
    role: str
    levels: tuple[str, ...]
    counts: Counts

    @property
    def kind(self) -> str:
        return "categorical"

    @property
    def cells(self) -> tuple[str, ...]:
        return (*self.levels, "other", "missing", "invalid")

    def cell_of(self, value: Any) -> int:
        n = len(self.levels)
        if value is None or (isinstance(value, float) and value != value):
            return n + 1
        if not isinstance(value, str | int | float):
            return n + 2
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            return n
        label = text_of(value)
        return self.levels.index(label) if label in self.levels else n

    def count(self, values: Iterable[Any]) -> Counts:
        found = [0] * len(self.counts)
        for value in values:
            found[self.cell_of(value)] += 1
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "role": self.role,
            "levels": list(self.levels),
            "counts": list(self.counts),
        }


Sketch = NumericSketch | CategoricalSketch


def text_of(value: Any) -> str:
    """How a text or number is told as a category: 1, 1.0 and "1" are one, as labels of evaluations are."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**18:
        return str(int(value))
    if type(value) is int and abs(value) >= 10**18:
        return "a number beyond measure"  # to write it out could take as long as it likes
    return str(value)


def numeric_sketch(name: str, values: NDArray[np.float64], *, role: str = INPUT) -> NumericSketch | None:
    """Over the reference's values: float64 of shape (n,), NaN where missing. None when no finite value is there.

    Infinite values of the reference count as missing: they have no place among quantiles.
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    present = values[~np.isnan(values)]
    if present.size == 0:
        return None
    edges = _edges(present)
    deviation = float(present.std()) if np.abs(present).max() < 1e150 else math.inf
    bare = NumericSketch(name, role, edges, (0.0,) * (len(edges) - 1), deviation, (0,) * (len(edges) + 3))
    counts = bare.count_array(values)
    cells = np.searchsorted(edges, present, side="left")
    cells[present == edges[0]] = 1
    scale = float(np.abs(present).max()) or 1.0  # so that no sum of large values overflows
    sums = np.bincount(cells, weights=present / scale, minlength=len(counts))[1 : len(edges)]
    means = [
        float(np.clip(total / n * scale, low, high)) if n else low + (high - low) / 2
        for total, n, low, high in zip(sums, counts[1:], edges, edges[1:], strict=False)
    ]
    if not math.isfinite(deviation):
        deviation = float((present / scale).std()) * scale
    return NumericSketch(name, role, edges, tuple(means), min(deviation, 1e300), counts)


def _edges(present: NDArray[np.float64]) -> tuple[float, ...]:
    """Ascending and distinct. The first and the last are the smallest and the largest value."""
    import numpy as np

    distinct = np.unique(present) if present.size <= 1000 else _distinct(present)
    if distinct is not None and distinct.size <= BINS:
        # halfway, but halves first: the sum of two large numbers may be infinite
        between = distinct[:-1] / 2 + distinct[1:] / 2
        found = np.concatenate([distinct[:1], between, distinct[-1:]])
    else:
        found = np.quantile(present, np.linspace(0, 1, BINS + 1), method="inverted_cdf")
    edges = np.unique(found)
    if edges.size == 1:  # one value only: a bin of no width, and everything else is below or above
        edges = np.repeat(edges, 2)
    return tuple(float(edge) for edge in edges)


def _distinct(present: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The different values, or None as soon as a sample shows more than get a bin each."""
    import numpy as np

    return None if np.unique(present[:1000]).size > BINS else np.unique(present)


def categorical_sketch(
    name: str, frequencies: Mapping[str, int], *, missing: int = 0, role: str = INPUT
) -> CategoricalSketch:
    """Over how often every text occurs in the reference; `missing`: rows without one."""
    fit = {
        text: n
        for text, n in frequencies.items()
        if n >= RAREST_LEVEL and len(text) <= LONGEST_TEXT and is_storable(text)
    }
    levels = sorted(fit, key=lambda text: (-fit[text], text))[:LEVELS]
    other = sum(frequencies.values()) - sum(fit[text] for text in levels)
    return CategoricalSketch(name, role, tuple(levels), (*(fit[text] for text in levels), other, missing, 0))


def is_storable(text: str) -> bool:
    """Can it stand in JSON that PostgreSQL keeps?"""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def categorical_from(name: str, values: Iterable[Any], *, role: str = INPUT) -> CategoricalSketch:
    """Over the values themselves."""
    found: Counter[str | None] = Counter(None if value is None else text_of(value) for value in values)
    missing = found.pop(None, 0)
    return categorical_sketch(name, {str(text): n for text, n in found.items()}, missing=missing, role=role)


def merged(one: Sequence[int], other: Sequence[int]) -> Counts:
    """Raises ValueError for counts of different cells."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def sketch_from_json(fields: Mapping[str, Any]) -> Sketch:
    """Raises ValueError, KeyError or TypeError for what no sketch is."""
    counts = tuple(int(n) for n in fields["counts"])
    name, role = str(fields["name"]), str(fields["role"])
    if role not in (INPUT, PREDICTION) or any(n < 0 for n in counts):
        raise ValueError("not a sketch")
    if fields["kind"] == "categorical":
        levels = tuple(str(level) for level in fields["levels"])
        if len(counts) != len(levels) + 3:
            raise ValueError("not a sketch")
        return CategoricalSketch(name, role, levels, counts)
    edges, means = (tuple(float(x) for x in fields[which]) for which in ("edges", "means"))
    numbers = [*edges, *means, float(fields["deviation"])]
    if len(edges) < 2 or len(means) != len(edges) - 1 or len(counts) != len(edges) + 3:
        raise ValueError("not a sketch")
    if list(edges) != sorted(edges) or not all(map(math.isfinite, numbers)):
        raise ValueError("not a sketch")
    return NumericSketch(name, role, edges, means, float(fields["deviation"]), counts)
