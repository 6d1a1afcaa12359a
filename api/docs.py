"""The description of the interface as a page, with every asset from this machine."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

_OWN = Path(__file__).parent / "static"


def _assets() -> Path:
    # Found without importing the package: it would patch FastAPI classes that we do not use.
    return Path(str(files("fastapi_offline"))) / "static"


def mount(app: FastAPI) -> None:
    """Serve `/docs` and its assets."""

    async def page() -> Response:
        return FileResponse(_OWN / "docs.html", media_type="text/html")

    async def start() -> Response:
        return FileResponse(_OWN / "start.js", media_type="text/javascript")

    app.add_api_route("/docs", page, include_in_schema=False)
    app.add_api_route("/docs/start.js", start, include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(directory=_assets()), name="docs-assets")
