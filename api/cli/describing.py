"""`openapi`: the description of the HTTP interface, from the code alone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path


def openapi_document() -> str:
    """The document as JSON with sorted keys. Needs no running platform, reads no settings, opens nothing."""
    from api.app import create_app
    from storage.composition import Platform
    from storage.settings import Settings

    nowhere = Path(tempfile.gettempdir()) / "gatehouse-openapi"
    application = create_app(Platform(Settings(home=nowhere)), sequence_audit=False)
    return json.dumps(application.openapi(), sort_keys=True, indent=2, ensure_ascii=False)
