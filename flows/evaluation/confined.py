"""The first code of a confined process: take on the limits, then run one function of one module.

Run by `flows.evaluation.sandbox` as a script: `python -I confined.py ROOT MODULE LIMITS PARENT`. Isolated
mode ignores the environment, the working directory and the user's packages, so ROOT, the folder of our own
packages, is added by hand. The limits are set here and not between fork and exec, where Python code is
unsafe in a parent with threads; nothing that came from outside has been read yet.

The working directory holds `job.json` and receives `result.json`: {"value": ...} or {"failure": {kind,
reason}}.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

OUT_OF_MEMORY = (
    "bad_alloc",
    "failed to allocate",
    "cannot allocate memory",
    "out of memory",
    "failed to map segment",
    "alloc failed",
)


def main() -> None:
    root, module, limits, parent = sys.argv[1:5]
    confine(json.loads(limits))
    die_with(int(parent))
    sys.path.insert(0, root)
    job = json.loads(Path("job.json").read_bytes())
    result = _answer(lambda: import_module(module).run(job))
    Path("result.json").write_text(json.dumps(result))


def is_out_of_memory(text: str) -> bool:
    """Whether a message of NumPy, Arrow, onnxruntime, the C++ library or the loader says that memory
    ended."""
    lowered = text.lower()
    return any(words in lowered for words in OUT_OF_MEMORY)


def _answer(run: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    from flows.evaluation.job import RefusedError

    try:
        return {"value": run()}
    except RefusedError as refusal:
        return {"failure": {"kind": refusal.kind, "reason": refusal.reason}}
    except MemoryError:
        return {"failure": {"kind": "memory", "reason": ""}}
    except RecursionError:
        return {"failure": {"kind": "crash", "reason": "the file is nested too deeply"}}
    except Exception as error:
        kind = "memory" if is_out_of_memory(str(error)) else "crash"
        return {"failure": {"kind": kind, "reason": f"{type(error).__name__}: {error}"[:1000]}}


def confine(limits: Mapping[str, int]) -> None:
    bounds = {
        resource.RLIMIT_AS: (limits["memory"], limits["memory"]),
        resource.RLIMIT_CPU: (limits["cpu_seconds"], limits["cpu_seconds"] + 1),  # SIGXCPU, then SIGKILL
        resource.RLIMIT_FSIZE: (limits["written"], limits["written"]),
        resource.RLIMIT_NOFILE: (limits["open_files"], limits["open_files"]),
        resource.RLIMIT_CORE: (0, 0),
    }
    for which, wanted in bounds.items():
        hard = resource.getrlimit(which)[1]
        soft, ceiling = (value if hard == resource.RLIM_INFINITY else min(value, hard) for value in wanted)
        resource.setrlimit(which, (soft, ceiling))


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process with its parent: a killed flow must not leave a computing
    orphan."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


if __name__ == "__main__":
    main()
    # The answer is written. What threads of native libraries do while an interpreter ends (abort, at times) is no part
    # of it.
    os._exit(0)
