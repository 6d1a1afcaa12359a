"""Whatever is done to the rows, the walk sees it and calls it by its name."""

from __future__ import annotations

from random import Random

import pytest

from tests.governance.audit.histories import History
from tests.governance.audit.tampering import TAMPERINGS, Tampering

SIZE = 120
HONEST = History.honest(SIZE, sealed_at=(7, 50, 51, 100))


def test_matrix_is_large_enough() -> None:
    assert sum(tampering.cases for tampering in TAMPERINGS) >= 800


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_every_tampering_is_found_and_named(tampering: Tampering) -> None:
    random = Random(tampering.name)
    for case in range(tampering.cases):
        tampered = tampering.apply(list(HONEST.entries), random)
        history = HONEST.copy()
        history.entries, history.head = tampered.entries, tampered.head

        findings = history.report().findings

        told = f"case {case}: {[str(finding) for finding in findings]}"
        assert tampered.kinds <= {finding.kind for finding in findings}, told
        if tampered.at is not None:
            assert any(
                finding.seq is not None and finding.last is not None and finding.seq <= tampered.at <= finding.last
                for finding in findings
            ), told
