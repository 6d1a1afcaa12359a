"""Texts of a language model behind an OpenAI-compatible server (`POST /v1/chat/completions`).

Every prompt is a conversation of one user message, at temperature 0 and with a fixed seed, so that the same model gives
the same text as nearly as its server can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.job import RefusedError
from flows.evaluation.runners.calling import Caller
from flows.evaluation.runners.shapes import ClassOutput, Columns

PROMPTS = 10_000
PROMPT_LIMIT = 100_000  # characters
TEXT_LIMIT = 200_000  # characters
MAX_TOKENS = 512


class OpenAiModel:
    """Raises RefusedError "unavailable" for a server that does not answer, "model" for answers of another shape."""

    def __init__(self, caller: Caller, model: str, *, max_tokens: int = MAX_TOKENS) -> None:
        self._caller, self._model, self._max_tokens = caller, model, max_tokens
        versioned = caller.location.path.endswith("/v1")  # as the client libraries have their base address
        self._path = "/chat/completions" if versioned else "/v1/chat/completions"

    def generate(self, prompts: Sequence[str]) -> list[str]:
        """One text a prompt; what a model refuses to say is an answer, too."""
        if len(prompts) > PROMPTS or any(len(prompt) > PROMPT_LIMIT for prompt in prompts):
            raise RefusedError("dataset", f"At most {PROMPTS} prompts of {PROMPT_LIMIT} characters can be asked.")
        return [self._written(prompt) for prompt in prompts]

    def classify(self, features: Columns) -> ClassOutput:
        raise RefusedError("model", f"A language model takes prompts, not the {len(features)} columns of a dataset.")

    def regress(self, features: Columns) -> NDArray[np.float64]:
        raise RefusedError("model", f"A language model takes prompts, not the {len(features)} columns of a dataset.")

    def _written(self, prompt: str) -> str:
        answer = self._caller.post(
            self._path,
            {
                "model": self._model,
                "messages": [{"role": "user", "content": prompt}],
                "temperature": 0,
                "seed": 0,
                "n": 1,
                "max_tokens": self._max_tokens,
                "stream": False,
            },
        )
        text = _text(answer)
        if text is None:
            raise RefusedError("model", "The endpoint answers no completion as the OpenAI interface has it.")
        if len(text) > TEXT_LIMIT:
            raise RefusedError("model", f"The endpoint answers {len(text)} characters; at most {TEXT_LIMIT} are read.")
        return text


def _text(answer: Any) -> str | None:
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    first = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    message = first.get("message") if isinstance(first, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    said = message.get("content") if message.get("content") is not None else message.get("refusal")
    return said if isinstance(said, str) else None
