"""The environment that the platform's processes are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Where the four rooms and `prefect.yaml` lie."""

# runtime.json says these; a process must not hear something else from the shell of whoever started it.
_DECIDED = (
    "GATEHOUSE_DATABASE_URL",
    "GATEHOUSE_PREFECT_DATABASE_URL",
    "GATEHOUSE_PREFECT_API_URL",
    "GATEHOUSE_PREFECT_AUTH",
    "GATEHOUSE_WORK_POOL",
    "GATEHOUSE_WORKER",
)
# Of a person's own use of Python and Prefect (another server, a cloud key), which is none of the platform's
# business.
_FOREIGN = ("PREFECT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")

ONE_THREAD_EACH = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For workers: runs are processes side by side already."""


def base(ours: Mapping[str, str], home: Path) -> dict[str, str]:
    """What every process gets: the starter's environment `ours`, cleaned, with home and code named, telemetry
    off.
    """
    kept = {
        name: value
        for name, value in ours.items()
        if name not in _DECIDED and not any(name.startswith(prefix) for prefix in _FOREIGN)
    }
    return {
        **kept,
        "GATEHOUSE_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **_past_proxies(ours),
    }


def _past_proxies(ours: Mapping[str, str]) -> dict[str, str]:
    """The platform's processes talk to each other directly, whatever proxy leads out of the machine."""
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in ours):
        return {}
    known = ours.get("no_proxy") or ours.get("NO_PROXY") or ""
    exempt = ",".join(part for part in (known, "127.0.0.1", "localhost") if part)
    return {"no_proxy": exempt, "NO_PROXY": exempt}
