"""The bytes in storage are the bytes that were registered: every digest is computed again from what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Unknown, Verdict


@dataclass(frozen=True)
class ArtifactIntegrity(Policy):
    name: ClassVar[str] = "artifact-integrity"
    title: ClassVar[str] = "Are the artifacts intact?"
    kind: ClassVar[Kind] = "security"
    transitions: ClassVar = frozenset(TransitionName) - {
        TransitionName.REQUEST_CHANGES,
        TransitionName.DEPRECATE,
        TransitionName.RETIRE,
    }

    def judge(self, case: Case) -> Verdict:
        subject = case.evidence.subject
        registered, endpoint = subject["artifacts"], subject["version"].get("endpointDigest")
        if case.transition is TransitionName.ROLLBACK:  # what returns has to be whole; what leaves may be the reason
            if subject["restores"] is None:
                return Passed("Nothing would return, so nothing was read.")  # another policy refuses that
            registered, endpoint = subject["restores"]["artifacts"], subject["restores"].get("endpointDigest")
        stored = {item["id"]: item["storedSha256"] for item in case.evidence.measured["artifacts"]}
        if not registered and endpoint is not None:
            return Passed("It is served at its endpoint, so there was nothing to read.")
        if not registered:
            return Failed(("The version has no artifact.",))
        broken: list[str] = []
        for artifact in registered:
            name = f"{artifact['type']} {artifact['name']!r}"
            if artifact["id"] not in stored:
                return Unknown(f"Nobody re-read {name}.")
            found = stored[artifact["id"]]
            if found is None:
                broken.append(f"{name} is no longer in storage.")
            elif found != artifact["sha256"]:
                broken.append(
                    f"{name} was registered with sha256 {artifact['sha256'][:12]}… and storage holds {found[:12]}…"
                )
        return Failed(tuple(broken)) if broken else Passed(f"{len(registered)} digest(s) re-read and equal.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        submit = TransitionName.SUBMIT
        other = [{"id": "a1", "storedSha256": "b" * 64, "format": "onnx", "safe": True, "reason": ""}]
        gone = [{"id": "a1", "storedSha256": None, "format": "unknown", "safe": False, "reason": "missing"}]
        served = {**sample_case(submit).evidence.subject["version"], "endpointDigest": "sha256:" + "e" * 64}
        return (
            (sample_case(submit), sample_case(submit, subject={"artifacts": [], "version": served})),
            (
                sample_case(submit, measured={"artifacts": other}),
                sample_case(submit, measured={"artifacts": gone}),
                sample_case(submit, measured={"artifacts": []}),
                sample_case(submit, subject={"artifacts": []}),
            ),
        )
