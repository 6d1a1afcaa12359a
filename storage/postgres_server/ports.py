"""A port for the server."""

from __future__ import annotations

import random
import socket

from storage.postgres_server.server import HOST, PostgresUnavailable

# Below the range from which Linux and macOS give ports to outgoing connections: those would take ours while
# it is down.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now; lingering closed connections do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free at this moment, chosen at random so that neighbours seldom choose the same."""
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(_FIRST, _LAST)
        if is_free(port):
            return port
    raise PostgresUnavailable(f"No free port between {_FIRST} and {_LAST} on {HOST}.")
