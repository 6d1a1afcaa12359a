"""How a moment is written in JSON: UTC, microseconds, Z."""


def iso(column: str) -> str:
    return f"to_char({column} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
