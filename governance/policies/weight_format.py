"""Weights are in a format that cannot run code when loaded, judged by content and never by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Unknown, Verdict


@dataclass(frozen=True)
class SafeWeightFormat(Policy):
    name: ClassVar[str] = "safe-weight-format"
    title: ClassVar[str] = "Can loading the weights run code?"
    kind: ClassVar[Kind] = "security"
    transitions: ClassVar = frozenset(
        {
            TransitionName.SUBMIT,
            TransitionName.EVALUATE,
            TransitionName.APPROVE_STAGING,
            TransitionName.APPROVE_PRODUCTION,
            TransitionName.PROMOTE_PRODUCTION,
        }
    )
    formats: list[str] = field(default_factory=lambda: ["onnx", "safetensors", "skops"])

    def judge(self, case: Case) -> Verdict:
        weights = [a for a in case.evidence.subject["artifacts"] if a["type"] == "weights"]
        inspected = {item["id"]: item for item in case.evidence.measured["artifacts"]}
        refused: list[str] = []
        for artifact in weights:
            found = inspected.get(artifact["id"])
            if found is None or found.get("safe") is None:
                return Unknown(f"Nobody looked into {artifact['name']!r}.")
            if not found["safe"] or found["format"] not in self.formats:
                refused.append(f"{artifact['name']!r}: {found['reason']}")
        if refused:
            return Failed(tuple(refused))
        names = sorted({inspected[a["id"]]["format"] for a in weights})
        return Passed(f"Content is {', '.join(names)}." if names else "The version ships no weights file.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        submit = TransitionName.SUBMIT

        def found(**changes: Any) -> dict[str, Any]:
            item = {"id": "a1", "storedSha256": "a" * 64, "format": "onnx", "safe": True, "reason": "valid ONNX"}
            return {"artifacts": [item | changes]}

        return (
            (sample_case(submit), sample_case(submit, measured=found(format="safetensors"))),
            (
                sample_case(submit, measured=found(format="pickle", safe=False, reason="a pickle runs code")),
                sample_case(submit, measured=found(format="gguf", reason="not an accepted format")),
                sample_case(submit, measured={"artifacts": []}),
            ),
        )
