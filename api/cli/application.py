"""The commands. Each body is a few lines; what they do is in the modules beside this one, imported late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.cli.failures import explained
from api.cli.options import ApiUrlOption, HomeOption, JsonOption, PortOption, WorkerOption
from api.cli.policy_commands import policy

UNHEALTHY = 3
"""Exit code of `status` when something does not run or does not answer."""

COULD_NOT_VERIFY = 2

COULD_NOT_ASK = 3
"""Exit code of `nightly` when nothing is known about the night."""

application = typer.Typer(
    name="gatehouse",
    help="Decides, records and proves which AI models may reach production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback of ours must not print the values of local variables
)
audit = typer.Typer(help="The audit log.", no_args_is_help=True)
application.add_typer(audit, name="audit")
token = typer.Typer(help="One's own tokens.", no_args_is_help=True)
application.add_typer(token, name="token")
application.add_typer(policy, name="policy")
inbox = typer.Typer(help="What waits for your decision.")
application.add_typer(inbox, name="inbox")

RequestArgument = Annotated[str, typer.Argument(metavar="ID", help="The request, from `gatehouse inbox`.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OnBehalfOption = Annotated[
    str | None, typer.Option("--for", metavar="ID", help="Who delegated it to you.", show_default=False)
]
DigestOption = Annotated[
    str | None,
    typer.Option(
        "--digest", metavar="DIGEST", help="What you read; refused when it is no longer that.", show_default=False
    ),
]
evidence = typer.Typer(help="Evidence bundles.", no_args_is_help=True)
application.add_typer(evidence, name="evidence")
keys = typer.Typer(help="The keys that the platform signs with.", no_args_is_help=True)
application.add_typer(keys, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"gatehouse {version('gatehouse')}")
        raise typer.Exit


@application.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@application.command()
def up(home: HomeOption = None, port: PortOption = None, worker: WorkerOption = None) -> None:
    """Start the platform, or what is missing of it: PostgreSQL, Prefect server, worker, API."""
    with explained():
        from api.cli.running import bring_up, print_addresses

        print_addresses(bring_up(home, port, worker))


@application.command()
def down(
    home: HomeOption = None,
    keep_database: Annotated[bool, typer.Option("--keep-database", help="Leave PostgreSQL running.")] = False,
) -> None:
    """Stop the platform. Nothing is lost; `up` continues."""
    with explained():
        from api.cli.running import bring_down

        if not bring_down(home, keep_database):
            Console(stderr=True).print("Nothing was running.")


@application.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what runs. Exit code 0 when everything is healthy, 3 otherwise."""
    with explained():
        from api.cli.looking import show_status

        healthy = show_status(home, as_json)
    if not healthy:
        raise typer.Exit(UNHEALTHY)


@application.command()
def demo(
    home: HomeOption = None,
    port: PortOption = None,
    worker: WorkerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the platform and take real models through their whole life."""
    with explained():
        from api.cli.demo import run
        from api.cli.demo.prefect_runs import PrefectRuns
        from api.cli.running import bring_up
        from storage.platform_processes.home import read_admin_token

        settings = bring_up(home, port, worker)
        admin_token = read_admin_token(settings.home)
        code = run(
            settings.api_url,
            settings.dashboard_url,
            admin_token,
            PrefectRuns(settings.prefect_api_url, settings.prefect_auth),
            console=Console(),
            as_json=as_json,
            state_file=settings.home / "demo.json",
        )
    raise typer.Exit(code)


@application.command()
def openapi() -> None:
    """Print the OpenAPI document. Nothing needs to run for that."""
    from api.cli.describing import openapi_document

    print(openapi_document())


@application.command()
def reconcile(home: HomeOption = None) -> None:
    """Take up transition requests that an outage left without a run. Also done every minute by itself."""
    with explained():
        from api.cli.reconciling import reconcile_once

        complete = reconcile_once(home)
    if not complete:
        raise typer.Exit(1)


@application.command()
def nightly(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the night until it ends; Ctrl-C only stops that.")
    ] = False,
    night: Annotated[
        str | None,
        typer.Option("--night", metavar="DATE", help="That night instead of starting tonight's.", show_default=False),
    ] = None,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate what is active, tonight. Exit code 1: failures or regressions, 2: partial or missed, 3: no answer."""
    with explained(COULD_NOT_ASK):
        from api.cli.nightly import nightly as start

        code = start(home, api_url, night=night, watch=watch, as_json=as_json)
    raise typer.Exit(code)


@application.command()
def login(
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    oidc: Annotated[bool, typer.Option("--oidc", help="Sign in at the identity provider, in any browser.")] = False,
    username: Annotated[str | None, typer.Option("--username", metavar="NAME", help="Who; asked otherwise.")] = None,
) -> None:
    """Sign in and keep a token in the state directory."""
    with explained():
        from api.cli.signing_in import log_in

        name = log_in(home, api_url, oidc=oidc, username=username)
        Console(stderr=True).print(f"Signed in as {name}.", markup=False, highlight=False)


@application.command()
def logout(home: HomeOption = None, api_url: ApiUrlOption = None) -> None:
    """Revoke the token of this command line and forget it."""
    with explained():
        from api.cli.signing_in import log_out

        log_out(home, api_url)


@application.command()
def whoami(home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False) -> None:
    """Show who is signed in."""
    with explained():
        from api.cli.signing_in import who_am_i

        who_am_i(home, api_url, as_json)


@inbox.callback(invoke_without_command=True)
def inbox_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also what you cannot decide, with the reason.")] = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what waits for your decision."""
    if context.invoked_subcommand is None:
        with explained():
            from api.cli.deciding import show_inbox

            show_inbox(home, api_url, everything=everything, as_json=as_json)


@inbox.command()
def show(
    request_id: RequestArgument, home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False
) -> None:
    """Show one request: gates, what changes, what serves, votes, and the digest that a decision signs."""
    with explained():
        from api.cli.deciding import show_request

        show_request(home, api_url, request_id, as_json=as_json)


@application.command()
def approve(
    request_id: RequestArgument,
    comment: Annotated[str, typer.Option("--comment", "-m", help="What to say about it.")] = "",
    for_: OnBehalfOption = None,
    digest: DigestOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Approve a request: exactly the evidence whose digest is shown."""
    _decide(home, api_url, request_id, "approve", comment, for_, digest, yes)


@application.command()
def reject(
    request_id: RequestArgument,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; asked for otherwise.", prompt="Why")],
    for_: OnBehalfOption = None,
    digest: DigestOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Reject a request, with a reason."""
    _decide(home, api_url, request_id, "reject", comment, for_, digest, yes)


@application.command()
def request_changes(
    request_id: RequestArgument,
    comment: Annotated[str, typer.Option("--comment", "-m", help="What to do; asked otherwise.", prompt="What to do")],
    for_: OnBehalfOption = None,
    digest: DigestOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Send a version back, with what has to be done."""
    _decide(home, api_url, request_id, "request_changes", comment, for_, digest, yes)


def _decide(
    home: Path | None,
    api_url: str | None,
    request_id: str,
    decision: str,
    comment: str,
    for_: str | None,
    digest: str | None,
    yes: bool,
) -> None:
    with explained():
        from api.cli.deciding import decide

        decide(home, api_url, request_id, decision, comment, on_behalf_of=for_, digest=digest, confirmed=yes)


@token.command("list")
def list_(home: HomeOption = None, api_url: ApiUrlOption = None, as_json: JsonOption = False) -> None:
    """List the tokens that still work."""
    with explained():
        from api.cli.signing_in import list_tokens

        list_tokens(home, api_url, as_json)


@token.command()
def create(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="A permission, e.g. model:read; several times for several.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="How long it lives.", show_default=False)] = None,
    calls: Annotated[
        int | None, typer.Option("--calls", min=1, help="How many calls it is good for.", show_default=False)
    ] = None,
    user_id: Annotated[
        str | None, typer.Option("--for", metavar="ID", help="A service account of yours.", show_default=False)
    ] = None,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Make an API key and print it. It is shown once."""
    with explained():
        from api.cli.signing_in import create_token

        print(create_token(home, api_url, label, scopes=scope, days=days, calls=calls, user_id=user_id))


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, from `gatehouse token list`.")],
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Revoke a token, at once."""
    with explained():
        from api.cli.signing_in import revoke_token

        revoke_token(home, api_url, token_id)


@audit.command()
def verify(
    home: HomeOption = None,
    as_json: JsonOption = False,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Also check the archives of removed texts in this directory.")
    ] = None,
    worm: Annotated[bool, typer.Option("--worm", help="Also compare with the locked copies of checkpoints.")] = False,
    index: Annotated[bool, typer.Option("--index", help="Also check what the log is searched by.")] = False,
) -> None:
    """Verify the whole audit log. Exit code 0: intact, 1: findings, 2: could not be verified."""
    with explained(COULD_NOT_VERIFY):
        from api.cli.auditing import verify_audit_log

        intact = verify_audit_log(home, as_json, archives=archive, copies=worm, index=index)
    if not intact:
        raise typer.Exit(1)


@audit.command()
def retain(
    home: HomeOption = None,
    as_json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Move texts that are older than GATEHOUSE_AUDIT_RETENTION_MONTHS from the log to archives."""
    with explained():
        from api.cli.auditing import apply_retention

        apply_retention(home, as_json, dry_run)


@audit.command()
def reindex(home: HomeOption = None) -> None:
    """Make what the audit log is searched by again, from its entries."""
    with explained():
        from api.cli.auditing import rebuild_index

        rebuild_index(home)


@evidence.command("export")
def export_evidence(
    request: Annotated[str, typer.Argument(help="Id of the transition request.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to.", show_default=False)
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            "--since", min=1, help="Prove that the log extends its checkpoint of this size.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    api_url: ApiUrlOption = None,
) -> None:
    """Save everything that proves one decision, for anybody to check offline."""
    with explained():
        from api.cli.evidence import export_evidence as export

        print(export(home, api_url, request, output, since))


@evidence.command("verify")
def verify_evidence(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.", exists=True, dir_okay=False)],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="VKEY", help="Verifier key of the registry, or a file with it."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="A signed checkpoint that you know.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle, offline. Exit code 0: it holds, 1: it does not, 2: could not be checked."""
    with explained(COULD_NOT_VERIFY):
        from api.cli.evidence import verify_evidence as verify_bundle

        holds = verify_bundle(home, file, key, checkpoint, as_json)
    if not holds:
        raise typer.Exit(1)


@keys.command("list")
def list_keys(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the key in use and those before it whose signatures are still believed."""
    with explained():
        from api.cli.signing_keys import list_keys as show

        show(home, as_json)


@keys.command("rotate")
def rotate_keys(
    overlap_days: Annotated[int, typer.Option("--overlap-days", min=0, max=365, help="Days that both sign.")] = 7,
    key_file: Annotated[
        Path | None, typer.Option("--to-key-file", metavar="PEM", help="A key kept elsewhere.", show_default=False)
    ] = None,
    command: Annotated[
        str | None, typer.Option("--to-command", help="A command that signs.", show_default=False)
    ] = None,
    public_key: Annotated[
        str | None, typer.Option("--to-public-key", help="The public half for --to-command.", show_default=False)
    ] = None,
    home: HomeOption = None,
) -> None:
    """Let a new key follow the one in use, and print its verifier key. Old signatures stay valid."""
    with explained():
        from api.cli.signing_keys import rotate_keys as rotate

        rotate(home, overlap_days, key_file, command, public_key)
