"""Remembering what is inside a content: it never changes, so it is looked at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.operations.calls import Call
from governance.ports import UnitOfWork


def record_inspection(uow: UnitOfWork, call: Call, sha256: str, result: Mapping[str, Any]) -> None:
    """Store the format, whether it is safe and why. The first record stays."""
    with uow:
        if uow.artifacts.record_inspection(sha256, result, call.at):
            uow.audit(call.event("content:inspected", "content", sha256, after=dict(result), digest=f"sha256:{sha256}"))
        uow.commit()
