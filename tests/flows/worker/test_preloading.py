"""One thread at the moment of the fork, or no fork at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.worker.preloading import ONE_THREAD_EACH
from tests.flows.worker.processes import REPOSITORY, WorkerProcess

HEAVY = ("numpy", "scipy.stats", "pyarrow", "sqlalchemy", "psycopg", "sklearn.metrics", "onnxruntime", "boto3")


def _preload_elsewhere(*names: str, path: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """In a new process with the fork server's environment, as this one has threads already."""
    program = "import sys; from flows.worker.preloading import preload; preload(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=REPOSITORY,
        env={**ONE_THREAD_EACH, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_fork_server_has_one_thread(worker: WorkerProcess) -> None:
    assert worker.fork_server().num_threads() == 1


def test_the_fork_server_limits_numerical_libraries_to_one_thread(worker: WorkerProcess) -> None:
    assert ONE_THREAD_EACH.items() <= worker.fork_server().environ().items()


def test_the_libraries_that_flows_use_start_no_thread_at_import() -> None:
    done = _preload_elsewhere(*HEAVY)
    assert done.returncode == 0, done.stderr


def test_the_modules_that_our_worker_preloads_start_no_thread_at_import() -> None:
    done = _preload_elsewhere("flows.transitions")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "preload module 'sample_module' cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "preload module 'sample_module' cannot be imported: ZeroDivisionError"),
        ("raise SystemExit(0)", "preload module 'sample_module' cannot be imported: SystemExit"),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "preload module 'sample_module' started 1 thread(s) at import",
        ),
    ],
)
def test_a_module_that_cannot_be_preloaded_is_named(source: str | None, reason: str, tmp_path: Path) -> None:
    if source is not None:
        (tmp_path / "sample_module.py").write_text(source)
    refused = _preload_elsewhere("json", "sample_module", path=tmp_path)
    assert refused.returncode != 0
    assert reason in refused.stderr


def test_a_process_that_has_threads_already_is_refused() -> None:
    refused = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start();"
            "from flows.worker.preloading import preload; preload([])",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "forking is not safe" in refused.stderr
