"""A version says what it is, for whom, under which licence, and who answers for it (governance-design, Model)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class Completeness(Policy):
    name: ClassVar[str] = "completeness"
    title: ClassVar[str] = "Is the record complete?"
    kind: ClassVar[Kind] = "compliance"
    transitions: ClassVar = frozenset(
        {TransitionName.SUBMIT, TransitionName.APPROVE_STAGING, TransitionName.APPROVE_PRODUCTION}
    )
    minimum_description: int = 20  # characters
    model_card_fields: list[str] = field(default_factory=lambda: ["intendedUse", "limitations", "trainingData"])

    def judge(self, case: Case) -> Verdict:
        model, metadata = case.evidence.subject["model"], case.evidence.subject["version"]["metadata"]
        missing: list[str] = []
        if not model["owners"]:
            missing.append("The model has no owner.")
        if len(_text(model, "description")) < self.minimum_description:
            missing.append(f"The model's description has fewer than {self.minimum_description} characters.")
        if model["riskTier"] not in ("Low", "Medium", "High"):
            missing.append("The model has no risk tier.")
        if not _text(metadata, "license"):
            missing.append("The version names no licence (metadata.license).")
        card = metadata.get("modelCard")
        card = card if isinstance(card, Mapping) else {}
        missing.extend(
            f"The model card says nothing about {name} (metadata.modelCard.{name})."
            for name in self.model_card_fields
            if not _text(card, name)
        )
        subject = case.evidence.subject
        served = subject["version"].get("endpointDigest") is not None
        if not served and not any(a["type"] in ("weights", "container") for a in subject["artifacts"]):
            missing.append("The version has neither weights nor a container.")
        return Failed(tuple(missing)) if missing else Passed("Owners, description, licence and card are there.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        submit = TransitionName.SUBMIT
        return (
            (sample_case(submit),),
            (
                sample_case(submit, model={"owners": []}),
                sample_case(submit, model={"description": "short"}),
                sample_case(submit, metadata={"license": " "}),
                sample_case(submit, metadata={"modelCard": {"intendedUse": "x"}}),
                sample_case(submit, metadata={"modelCard": "a text"}),
                sample_case(submit, subject={"artifacts": []}),
            ),
        )


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    return text.strip() if isinstance(text, str) else ""
