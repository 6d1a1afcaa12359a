"""Exporting and verifying the evidence of a version with twenty artifacts, in a log of many entries."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from governance.audit.chain import Head
from governance.audit.merkle import leaf_hash
from governance.bundle.verify import Verification
from governance.operations import registry as registering
from storage.audit_log.running import believed_notes, sequencer_of
from storage.bundles import export
from tests.benchmarks.ground import Ground, prepared_ground
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling
from tests.governance.operations.situations import WAY, model_with_version, step

ARTIFACTS = 20


def measure(telling: Telling, *, quick: bool) -> Findings:
    entries, times = (50_000, 5) if quick else (1_000_000, 15)
    with prepared_ground() as ground:
        registry = ground.registry
        telling.phase(f"a log of {entries:,} entries")
        _fill(ground, entries)
        telling.phase("a version with twenty artifacts")
        model = model_with_version(registry)
        for number in range(ARTIFACTS - 1):
            new = registering.NewArtifact(
                model, "1.0.0", "config", f"part-{number}.json", "application/json", f"{number:064x}", 1_000, "",
                "Apache-2.0", False,
            )  # fmt: skip
            registering.attach_artifact(registry.unit(), registry.call(registry.dev), new)
        for transition in WAY:
            request = step(registry, model, "1.0.0", transition)
        sequencer_of(registry.platform).drain(timeout=120)
        telling.phase("exporting")
        first = _timed(lambda: export(registry.platform, registry.dev, request.id))
        exports = [_timed(lambda: export(registry.platform, registry.dev, request.id)) for _ in range(times)]
        _, archive = export(registry.platform, registry.dev, request.id)
        key = str(believed_notes(registry.platform)[0])
        telling.phase("verifying")
        verifies = [_timed(lambda: Verification(archive, [key])) for _ in range(times)]
        found = Verification(archive, [key])
    if not found.ok:
        raise RuntimeError(f"the bundle does not hold: {[check for check in found.checks if not check.ok]}")
    exporting, verifying = spread(exports), spread(verifies)
    figures = {
        "entries": entries,
        "bytes": len(archive),
        "exportFirstSeconds": round(first, 3),
        "exportSeconds": exporting,
        "verifySeconds": verifying,
    }
    goals = [
        Goal(f"exporting, {ARTIFACTS} artifacts, p95", exporting["p95"], "at most", 2, "s"),
        Goal("verifying offline in plain Python, p95", verifying["p95"], "at most", 1, "s"),
    ]
    also = {
        "exporting for the first time": f"{first:.2f} s in a log of {entries:,} entries",
        "bundle": f"{len(archive) / 1000:,.0f} kB",
    }
    return Findings(figures, goals, also)


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _fill(ground: Ground, count: int) -> None:
    """Entries of others, with the chain and the head that a sequencer would have given them."""
    head = Head.empty()
    with psycopg.connect(ground.platform.settings.database_url) as connection:
        connection.execute("alter table audit_head disable trigger all")
        for first in range(0, count, 10_000):
            texts = [
                f'{{"action":"model:read","details":"{"x" * 250}","subject":{{"id":"other-{number}","kind":"model"}}}}'
                for number in range(first, min(first + 10_000, count))
            ]
            leaves = [leaf_hash(text.encode()) for text in texts]
            head, chains = head.extended(leaves)
            with connection.cursor().copy("copy audit_entries (seq, entry, leaf, mac, chain) from stdin") as copy:
                for number, text, leaf, chain in zip(range(first, count), texts, leaves, chains, strict=False):
                    copy.write_row((number, text, leaf, b"", chain))
        connection.execute(
            "update audit_head set size = %s, chain = %s, frontier = %s", (head.size, head.chain, list(head.frontier))
        )
        connection.execute("alter table audit_head enable always trigger audit_head_refuse_change")
    with psycopg.connect(ground.platform.settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze audit_entries")
