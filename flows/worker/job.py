"""What passes between the worker, the fork server and a child."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

SPARE, NOW = b"s", b"n"
"""What the worker asks the fork server for: a child to wait warmed up, or one whose job is already there."""


@dataclass(frozen=True)
class Job:
    """One flow run to execute; told to a waiting child as one line of JSON over its socket.

    entrypoint: `package.module.flow` or `package.module:flow`.
    environment: variables to set before the flow is loaded.
    """

    flow_run_id: UUID
    entrypoint: str
    environment: Mapping[str, str]

    def send(self, to: socket.socket) -> None:
        """Raises OSError when the child has gone."""
        fields = {
            "flow_run_id": str(self.flow_run_id),
            "entrypoint": self.entrypoint,
            "environment": dict(self.environment),
        }
        to.sendall(json.dumps(fields).encode() + b"\n")


def receive_job(source: socket.socket) -> Job | None:
    """Wait for the job; None when the worker hangs up instead, which is how spare children are sent home."""
    received = b""
    while not received.endswith(b"\n"):
        try:
            chunk = source.recv(65536)
        except ConnectionError:
            chunk = b""
        if not chunk:
            return None
        received += chunk
    fields = json.loads(received)
    return Job(UUID(fields["flow_run_id"]), fields["entrypoint"], fields["environment"])
