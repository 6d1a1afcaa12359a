"""Refusals are audited in amounts that cannot flood the log."""

from __future__ import annotations

import json
from typing import Any

from api.dashboard.refusals import OF_A_PERSON, OF_NOBODY, Refusals
from governance.operations.refusals import Attempt
from tests.fixtures.loops import run_async
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query

MANY = 200


def recorded(registry: RegistryUnderTest) -> list[dict[str, Any]]:
    rows = query(registry, "select entry from audit_outbox order by id")
    return [event for (entry,) in rows if (event := json.loads(entry))["action"] == "dashboard:refused"]


def test_a_flood_becomes_one_entry_that_counts(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test

    async def flood() -> None:
        refusals = Refusals(registry.platform)
        for number in range(MANY):
            attempt = Attempt("POST", f"/dashboard/api/x/{number}", "Not here.", address="127.0.0.1")
            await refusals.note(None, attempt, "c")
            await refusals.note(registry.grace, attempt, "c")
        await refusals.close()

    run_async(flood())
    events = recorded(registry)
    for actor, allowance in (("anonymous", OF_NOBODY), (registry.grace.id, OF_A_PERSON)):
        own = [event for event in events if event["actor"]["id"] == actor]
        assert [event["details"]["times"] for event in own] == [1] * allowance + [MANY - allowance]
        assert own[-1]["details"]["path"] == f"/dashboard/api/x/{MANY - 1}"
        assert own[0]["subject"] == {"kind": "dashboard", "id": "/dashboard/api/x/0"}
