"""`evidence export` and `evidence verify`; the second is `verify.py` of every bundle, with a table."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.calling import ApiCalls
from api.cli.options import settings_of
from governance.bundle.verify import LARGEST, Verification
from storage.platform_processes.errors import PlatformError


def export_evidence(
    home: Path | None, api_url: str | None, request_id: str, output: Path | None, since: int | None
) -> Path:
    """Where the archive was written; a file that is there already is not replaced. Raises PlatformError, OSError."""
    calls = ApiCalls(home, api_url)
    token = calls.stored().token
    try:
        answer = httpx.get(
            f"{calls.api_url}/api/v1/transition-requests/{request_id}/evidence",
            params={"since": since} if since is not None else {},
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PlatformError(f"{calls.api_url} does not answer ({type(error).__name__}).") from None
    if not answer.is_success or answer.headers.get("content-type") != "application/zip":
        try:
            message = str(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"{calls.api_url} does not answer as Gatehouse does."
        raise PlatformError(message)
    path = output or Path(f"evidence-{request_id}.zip")
    with path.open("xb") as file:
        file.write(answer.content)
    return path


def verify_evidence(
    home: Path | None, path: Path, keys: list[str] | None, checkpoint: Path | None, as_json: bool
) -> bool:
    """Print every check; whether all hold. Raises PlatformError, OSError."""
    if path.stat().st_size > LARGEST:
        raise PlatformError(f"{path} is larger than any bundle.")
    known = checkpoint.read_bytes() if checkpoint else None
    given = [_key_text(key) for key in keys or ()] or _own_keys(home)
    found = Verification(path.read_bytes(), given, known)
    if as_json:
        checks = [{"ok": one.ok, "subject": one.subject, "message": one.message} for one in found.checks]
        print(json.dumps({"ok": found.ok, "vouched": found.vouched, "checks": checks}, indent=2))
    else:
        _print_for_people(found)
    return found.ok


def _key_text(given: str) -> str:
    return Path(given).read_text() if Path(given).is_file() else given


def _own_keys(home: Path | None) -> list[str]:
    """On the registry's own machine its own key is the one to believe."""
    path = settings_of(home).key_directory / "audit-signing.vkey"
    return [path.read_text()] if path.is_file() else []


def _print_for_people(found: Verification) -> None:
    console = Console()
    table = Table("", "Part", "What", box=None, pad_edge=False, header_style="bold")
    for check in found.checks:
        mark = Text("holds", "green") if check.ok else Text("FAILED", "red")
        table.add_row(mark, Text(check.subject), Text(check.message))
    console.print(table, highlight=False)
    if not found.ok:
        failed = dict.fromkeys(check.subject for check in found.checks if not check.ok)
        console.print(Text.assemble(("This bundle does not hold: ", "red"), ", ".join(failed) + "."), soft_wrap=True)
    elif found.vouched:
        console.print(Text("Everything holds.", "green"))
    else:
        sentence = "The bundle agrees with itself. Nobody outside of it vouches for its keys: give --key."
        console.print(Text(sentence, "yellow"), soft_wrap=True)
