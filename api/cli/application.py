"""The commands. Each body is a few lines; what they do is in the modules beside this one, imported late."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from api.cli.failures import explained
from api.cli.options import HomeOption, JsonOption, PortOption, WorkerOption

UNHEALTHY = 3
"""Exit code of `status` when something does not run or does not answer."""

COULD_NOT_VERIFY = 2

application = typer.Typer(
    name="gatehouse",
    help="Decides, records and proves which AI models may reach production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback of ours must not print the values of local variables
)
audit = typer.Typer(help="The audit log.", no_args_is_help=True)
application.add_typer(audit, name="audit")


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
        token = read_admin_token(settings.home)
        code = run(
            settings.api_url,
            settings.dashboard_url,
            token,
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


@audit.command()
def verify(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Verify the whole audit log. Exit code 0: intact, 1: findings, 2: could not be verified."""
    with explained(COULD_NOT_VERIFY):
        from api.cli.auditing import verify_audit_log

        intact = verify_audit_log(home, as_json)
    if not intact:
        raise typer.Exit(1)
