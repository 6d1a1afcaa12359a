"""The port that a person asked for."""

from __future__ import annotations

import errno
import socket

import psutil

from storage.platform_processes.commands import HOST
from storage.platform_processes.errors import PlatformError
from storage.postgres_server.ports import is_free


def demand_free(port: int) -> None:
    """Raises PlatformError that names who listens on the port (as far as this account may know) and another
    port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            raise PlatformError(_refusal(port, error)) from error


def _refusal(port: int, error: OSError) -> str:
    advice = f"Choose another one: gatehouse up --port {_another(port)}"
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is used by {_holder(port)}. {advice}"
    return f"Cannot listen on port {port}: {error.strerror or error}. {advice}"


def _another(port: int) -> int:
    """The next free port that needs no privilege."""
    start = max(port + 1, 1024)
    return next((candidate for candidate in range(start, min(start + 500, 65_536)) if is_free(candidate)), 8000)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"another program ({psutil.Process(connection.pid).name()}, pid {connection.pid})"
    except (psutil.Error, OSError):  # macOS tells this to root only
        pass
    return "another program"
