"""How a model is asked for its answers: by a file that is loaded here, or by a protocol over HTTP.

Imported in the confined process, so nothing heavy is imported before a runner is opened.
"""

from flows.evaluation.runners.opening import open_runner
from flows.evaluation.runners.protocol import Runner, RunnerSpec

__all__ = ["Runner", "RunnerSpec", "open_runner"]
