"""Asks in batches which blobs are still wanted: a store of millions is collected in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

BATCH = 500
"""Digests a question: one comfortable `= ANY(...)` for the database."""


def without_reference(digests: Iterable[str], referenced: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
    """Those of the digests that `referenced` does not name when asked about them."""
    remaining = iter(digests)
    while batch := list(islice(remaining, BATCH)):
        wanted = frozenset(referenced(batch))
        yield from (sha256 for sha256 in batch if sha256 not in wanted)
