"""The server's parameters, given on its command line at every start.

There they hold for old clusters too, and root need not write into a directory of an unprivileged account.
Everything else stays as in postgresql.conf and can be changed there. Nothing here trades durability: fsync,
full_page_writes and synchronous_commit are stated so that no configuration file can switch them off.
"""

from __future__ import annotations

from storage.postgres_server.server import HOST


def parameters(name: str, port: int, major: int) -> dict[str, str]:
    """The parameters of cluster `name` (at most 63 ASCII letters) under PostgreSQL `major`."""
    chosen = {
        "cluster_name": name,  # in the title of every process: see `processes`
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",  # the path of a home may be longer than a socket's (107 bytes)
        "max_connections": "200",  # the pools of the API, the workers and the orchestrator on one machine
        "shared_buffers": "256MB",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",  # the launcher reads the server's words
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
        "jit": "off",  # compiling costs more than the short queries here take
        "checkpoint_timeout": "15min",  # fewer full-page images; recovery still takes seconds
        "max_wal_size": "1GB",
        "client_connection_check_interval": "1s",  # a killed client's query gives up its locks in a second
        "max_logical_replication_workers": "0",  # one process less; nothing here subscribes to a server
    }
    if major >= 18:
        chosen["io_method"] = "sync"  # no I/O worker processes: what one machine works on is cached
    return chosen


def as_options(chosen: dict[str, str]) -> list[str]:
    return [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
