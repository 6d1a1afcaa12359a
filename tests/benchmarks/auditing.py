"""The audit log under load: see `audit_rate`, which is called here with the sizes of the goals."""

from __future__ import annotations

from functools import partial

from storage.postgres_server import start
from tests.benchmarks import audit_rate
from tests.benchmarks.results import Findings, Goal
from tests.benchmarks.telling import Telling
from tests.fixtures.postgres import fresh_database, temporary_home

CLIENTS = 64


def measure(telling: Telling, *, quick: bool) -> Findings:
    seconds, verified = (3.0, 100_000) if quick else (10.0, 500_000)
    with temporary_home() as home:
        telling.phase("writing, sealing and verifying")
        found = audit_rate.measure(
            partial(fresh_database, start(home)),
            home / "audit",
            clients=CLIENTS,
            seconds=seconds,
            verified_entries=verified,
        )
    writing, verifying = found["writing"], found["verifying"]
    if not (writing["complete"] and verifying["ok"]):
        raise RuntimeError(f"the log is not whole: {found}")
    return Findings(
        found,
        [
            Goal(
                f"entries with a business update at {CLIENTS} clients",
                writing["entriesPerSecond"],
                "at least",
                1_500,
                "per second",
            ),
            Goal("committed to sealed, p99", writing["sealedMilliseconds"]["p99"], "at most", 1_000, "ms"),
            Goal("verified", verifying["entriesPerSecond"], "at least", 100_000, "per second"),
        ],
        {"verified per processor second": f"{verifying['entriesPerProcessorSecond']:,}"},
    )
