"""The collector's questions come in batches and keep the order."""

from __future__ import annotations

from collections.abc import Sequence

from storage.artifacts.references import BATCH, without_reference


def test_many_digests_are_asked_about_in_bounded_batches() -> None:
    digests = [f"{number:064x}" for number in range(2 * BATCH + 17)]
    asked: list[int] = []

    def referenced(batch: Sequence[str]) -> list[str]:
        asked.append(len(batch))
        return [sha256 for sha256 in batch if int(sha256, 16) % 3 == 0] + ["f" * 64]

    unwanted = list(without_reference(iter(digests), referenced))

    assert unwanted == [sha256 for number, sha256 in enumerate(digests) if number % 3]
    assert asked == [BATCH, BATCH, 17]


def test_nothing_stored_asks_nothing() -> None:
    def referenced(batch: Sequence[str]) -> list[str]:
        raise AssertionError("asked about nothing")

    assert list(without_reference([], referenced)) == []
