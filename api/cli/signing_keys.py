"""`keys list` and `keys rotate`: what the platform signs with."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from api.cli.options import settings_of


def list_keys(home: Path | None, as_json: bool) -> None:
    """Raises KeyFileError, OSError."""
    from storage.signing_keys import identity, public_ring, strangers

    settings = settings_of(home)
    ring = public_ring(settings)
    rows = []
    for key in ring.believed:
        made = next((one for one in ring.rotations if one.following == key), None)
        ended = next((one for one in ring.rotations if one.previous == key), None)
        rows.append(
            {
                "keyId": identity(key),
                "use": "current" if key == ring.current else "retired",
                "from": made.at.isoformat() if made else None,
                "until": ended.until.isoformat() if ended else None,
                "verifierKey": str(key),
            }
        )
    unknown = strangers(settings)
    if as_json:
        print(json.dumps({"log": ring.log, "keys": rows, "notBelieved": unknown}, indent=2))
        return
    console = Console()
    table = Table("Key", "Use", "From", "Signs until", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row((row["keyId"] or "")[:16], row["use"], row["from"] or "", row["until"] or "")
    console.print(table, highlight=False)
    for row in rows:
        console.print(row["verifierKey"], highlight=False, markup=False, soft_wrap=True)
    for name in unknown:
        console.print(f"Not believed: retired/{name}; no key vouches for it.", style="red", markup=False)


def rotate_keys(
    home: Path | None, overlap_days: int, key_file: Path | None, command: str | None, public_key: str | None
) -> None:
    """Raises KeyFileError, OSError, DependencyUnavailable."""
    from governance.signing import Signer
    from storage.audit_log.keys import KeyFileError, load_signing_key
    from storage.key_rotation import rotate_and_record
    from storage.signers import CommandSigner, FileSigner, public_key_from

    to: Signer | None = None
    if key_file is not None:
        to = FileSigner(load_signing_key(key_file))
    elif command is not None:
        if public_key is None:
            raise KeyFileError("--to-command needs --to-public-key.")
        to = CommandSigner(command, public_key_from(public_key))
    made, recorded = rotate_and_record(settings_of(home), overlap=timedelta(days=overlap_days), to=to)
    print(made.following)
    if not recorded:
        sentence = "The platform does not run, so its audit log does not tell of this; rotations.json does."
        Console(stderr=True).print(sentence, soft_wrap=True)
    if to is not None:
        Console(stderr=True).print(
            "The new key is vouched for. Name it in the settings and restart the platform; "
            "until then the old one goes on signing.",
            soft_wrap=True,
        )
