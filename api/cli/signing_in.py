"""`login`, `logout`, `whoami` and `token`: who the command line is at an API."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from api.cli import credentials
from api.cli.calling import ApiCalls, ApiRefusal
from api.cli.device_flow import DeviceFlow, Prompt


def log_in(home: Path | None, api_url: str | None, *, oidc: bool, username: str | None) -> str:
    """Store a token; the name of who is signed in. Raises PlatformError."""
    api = ApiCalls(home, api_url)
    issued = _by_device(api) if oidc else _by_password(api, username)
    credential = credentials.Credential(issued["token"], issued["tokenId"], issued["expiresAt"])
    me = api.call("GET", "/me", token=credential.token)
    credentials.keep(api.home, api.api_url, credential)
    return str(me["name"])


def log_out(home: Path | None, api_url: str | None) -> None:
    """Revoke the stored token and forget it. It is kept when the API does not answer."""
    api = ApiCalls(home, api_url)
    stored = api.stored()
    try:
        api.call("DELETE", f"/tokens/{stored.token_id}", token=stored.token)
    except ApiRefusal as error:
        if error.status not in (401, 404):  # then it is no longer good anyway
            raise
    credentials.keep(api.home, api.api_url, None)


def who_am_i(home: Path | None, api_url: str | None, as_json: bool) -> None:
    api = ApiCalls(home, api_url)
    me = api.signed_in("GET", "/me")
    if as_json:
        print(json.dumps(me, indent=2))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in {**me, **me["attributes"]}.items():
        if not isinstance(value, dict):
            shown = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            table.add_row(_words(name), shown)
    table.add_row("Signed in at", api.api_url)
    Console().print(table, highlight=False, markup=False)


def list_tokens(home: Path | None, api_url: str | None, as_json: bool) -> None:
    """One's own tokens that still work, newest last; as JSON, all of them."""
    api = ApiCalls(home, api_url)
    used = api.stored().token_id
    tokens: list[dict[str, Any]] = api.signed_in("GET", "/tokens", params={"pageSize": 200})
    if as_json:
        print(json.dumps(tokens, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Token", no_wrap=True, min_width=36)  # whole, since `revoke` takes it
    for title in ("Label", "Created", "Expires", ""):
        table.add_column(title, overflow="fold")
    for token in tokens:
        if token["revokedAt"] is None:
            here = "in use here" if token["id"] == used else ""
            table.add_row(token["id"], token["label"], token["createdAt"], token["expiresAt"], here)
    Console().print(table, highlight=False, markup=False)


def create_token(
    home: Path | None,
    api_url: str | None,
    label: str,
    *,
    scopes: list[str] | None,
    days: int | None,
    calls: int | None,
    user_id: str | None,
) -> str:
    """A new API key. It is shown here and nowhere else."""
    body = {"label": label, "scopes": scopes or None, "expiresInDays": days, "calls": calls, "userId": user_id}
    made: dict[str, str] = ApiCalls(home, api_url).signed_in("POST", "/tokens", json=body)
    return made["token"]


def revoke_token(home: Path | None, api_url: str | None, token_id: str) -> None:
    ApiCalls(home, api_url).signed_in("DELETE", f"/tokens/{token_id}")


def _by_password(api: ApiCalls, username: str | None) -> dict[str, str]:
    name = username or typer.prompt("Name", err=True)
    password = typer.prompt("Password", hide_input=True, err=True)
    body = {"username": name, "password": password, "label": _label()}
    issued: dict[str, str] = api.call("POST", "/login", json=body)
    return issued


def _by_device(api: ApiCalls) -> dict[str, str]:
    provider = api.call("GET", "/oidc/configuration")
    with httpx.Client(timeout=15, trust_env=True) as client:  # a person's provider may be behind their proxy
        id_token = DeviceFlow(client).id_token(
            provider["issuer"], provider["deviceClientId"], provider["scopes"], _show
        )
    issued: dict[str, str] = api.call("POST", "/oidc/exchange", json={"idToken": id_token})
    return issued


def _show(prompt: Prompt) -> None:
    said = f"Open {prompt.address} and enter the code {prompt.code}"
    if prompt.complete_address:
        said += f"\nor open {prompt.complete_address}"
    Console(stderr=True).print(said, markup=False, highlight=False, soft_wrap=True)


def _label() -> str:
    return f"command line on {socket.gethostname()}"[:100]


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).capitalize()
