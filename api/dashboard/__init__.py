"""The Prefect dashboard behind our own sign-in: `/dashboard` of the API.

    paths.py      which spelling of an address is looked at at all
    allowed.py    the table of what may be called, by whom; everything else is refused
    session.py    who is calling
    proxy.py      one request: who, may they, pass it on or answer ourselves
    upstream.py   the connection to the Prefect server, with its secret
    resuming.py   "Resume" on a suspended run: a decision of the person who is signed in
    refusals.py   what was refused is audited, in bounded amounts
    answers.py    what the pages are told, in the shapes that they show to people

The guard is all or nothing: whoever is let in sees every run (ADR 10).
"""

from __future__ import annotations

from fastapi import FastAPI

from api.dashboard.proxy import Dashboard

__all__ = ["Dashboard", "mount"]


def mount(app: FastAPI, dashboard: Dashboard) -> None:
    """Serve it; whoever runs the application opens and closes it. Not part of the description: it is Prefect's."""
    app.mount("/dashboard", dashboard, name="dashboard")
    app.router.routes.append(dashboard.entrance)
