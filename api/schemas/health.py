"""Liveness and readiness."""

from typing import Literal

from api.schemas.base import Read


class HealthRead(Read):
    status: Literal["alive"]


class ReadyRead(Read):
    database: bool
    orchestrator: bool
    checkpoint_copies: bool | None  # None: no bucket is set
