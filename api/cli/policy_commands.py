"""`gatehouse policy …`: each command is a few lines; what it does is in `api.cli.policies`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.failures import explained
from api.cli.options import ApiUrlOption, HomeOption, JsonOption

policy = typer.Typer(help="Policies: what they say, changes of them, what a change would do.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A policy in YAML or JSON.")
]
ChangeArgument = Annotated[str, typer.Argument(metavar="CHANGE", help="Its id, from `gatehouse policy changes`.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the second person.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")]


@policy.command("list")
def list_(home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False) -> None:
    """List the policies with their state."""
    with explained():
        from api.cli.policies import list_policies

        list_policies(home, api_url, as_json)


@policy.command()
def show(
    name: NameArgument, home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False
) -> None:
    """Show one policy: its scope, rules or parameters, and versions."""
    with explained():
        from api.cli.policies import show_policy

        show_policy(home, api_url, name, as_json)


@policy.command()
def check(file: FileArgument) -> None:
    """Compile a policy's rules and try its samples. Nothing needs to run for that; exit code 1 when it is refused."""
    with explained():
        from api.cli.policies import check_file

        accepted = check_file(file)
    if not accepted:
        raise typer.Exit(1)


@policy.command()
def propose(
    file: FileArgument,
    reason: ReasonOption = "",
    draft: Annotated[bool, typer.Option("--draft", help="Only write it down; nobody is asked to approve it.")] = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a new policy, or a new version of one. It judges nothing until a second person approves."""
    with explained():
        from api.cli.policies import propose_file

        propose_file(home, api_url, file, reason, draft, as_json)


@policy.command()
def changes(home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False) -> None:
    """List the changes that wait for a second person."""
    with explained():
        from api.cli.policies import list_changes

        list_changes(home, api_url, as_json)


@policy.command()
def approve(
    change: ChangeArgument,
    comment: Annotated[str, typer.Option("--comment")] = "",
    yes: YesOption = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Approve a change of somebody else, after seeing what it would do. It is in force at once."""
    with explained():
        from api.cli.policies import decide_change

        decide_change(home, api_url, change, "approve", comment, yes)


@policy.command()
def reject(
    change: ChangeArgument,
    comment: Annotated[str, typer.Option("--comment", help="Why.")],
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Reject a change, or withdraw one's own."""
    with explained():
        from api.cli.policies import decide_change

        decide_change(home, api_url, change, "reject", comment, True)


@policy.command()
def impact(
    name: NameArgument,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", exists=True, dir_okay=False, help="A draft instead of what is stored."),
    ] = None,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which past decisions would flip, and which versions would fall out."""
    with explained():
        from api.cli.policies import show_impact

        show_impact(home, api_url, name, file, as_json)


@policy.command()
def replay(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a settled transition request.")],
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a decision again from its record. Exit code 1 when it does not come to the same verdicts."""
    with explained():
        from api.cli.policies import replay_request

        same = replay_request(home, api_url, request, as_json)
    if not same:
        raise typer.Exit(1)
