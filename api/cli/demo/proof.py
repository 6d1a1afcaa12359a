"""What can be shown afterwards: rules held against the past, decisions judged again, evidence checked by a stranger."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.cli.demo.catalogue import Registered
from api.cli.demo.client import Caller
from api.cli.demo.people import RAVI, Cast
from api.cli.demo.story import Chapter

_MISSPELT = {
    "name": "demo-accurate-enough",
    "title": "Is it accurate enough?",
    "kind": "compliance",
    "enforcement": "hard",
    "scope": {"transitions": ["approve_production"]},
    "rules": [
        {
            "id": "accuracy",
            "expression": "model.riskTier != 'High' ||\n  evaluation.taskMetric.accuracy >= 0.9",
            "message": "The accuracy is too low.",
        }
    ],
    "samples": {"allowed": [{}], "denied": [{"evidence": {"model": {"riskTier": "High"}}}]},
}
_STRICTER = {"quorum": {"Low": 3, "Medium": 3, "High": 4}}
_VERIFY_SECONDS = 60.0

Json = Mapping[str, Any]


def proofs(chapter: Chapter, cast: Cast, admin: Caller, model: Registered) -> None:
    """Told about the newest promotion of `model`."""
    approver = cast[RAVI].caller
    with chapter.step("a rule with a misspelt field is written", "refused, with line and column") as step:
        answer = admin.post("/api/v1/policies", _MISSPELT)
        problems = answer.details.get("problems") or [{}]
        step.went(answer.summary, ok=answer.status == 400 and problems[0].get("line") == 2)
    with chapter.step("a stricter quorum is held against every decision so far", "what would flip") as step:
        found = approver.post("/api/v1/policies/approvals/impact", {"parameters": _STRICTER}).data
        decisions, fallen = found["decisions"], found["versions"]["fallOut"]
        flips = decisions["flips"]
        names = ", ".join(f"{one['modelName']} {one['version']} ({one['transition']})" for one in flips[:4])
        told = f"{decisions['looked']} decisions, {len(flips)} would flip: {names}"
        step.went(f"{told}; {len(fallen)} present version(s) would fall out", ok=bool(flips))
    request = _newest_promotion(approver, model)
    with chapter.step("the promotion is judged again from its record alone", "the same verdicts") as step:
        step.request_id = request["id"]
        again = approver.get(f"/api/v1/transition-requests/{request['id']}/replay").data
        step.went(f"{len(again['verdicts'])} verdicts, byte for byte", ok=bool(again["same"]))
    with chapter.step("its evidence goes to a stranger, who runs verify.py", "everything holds") as step:
        bundle = approver.download(f"/api/v1/transition-requests/{request['id']}/evidence")
        code, said = _verify(bundle)
        step.went(f"{len(bundle):,} bytes; {said}", ok=code == 0)
    with chapter.step("one byte of it is changed on the way", "the change is named") as step:
        code, said = _verify(_changed(bundle, "verdicts.json"))
        step.went(said, ok=code == 1 and "verdicts.json" in said)
    with chapter.step("how does it stand against dated frameworks?", "an edition for each, and what applies") as step:
        frameworks = admin.get("/api/v1/compliance/status").data["frameworks"]
        step.went("; ".join(f"{one['framework']} {one['edition']}" for one in frameworks), ok=len(frameworks) >= 4)


def _newest_promotion(caller: Caller, model: Registered) -> Json:
    query = f"transition=promote_production&status=applied&modelId={model.id}&pageSize=1"
    found: Json = caller.get(f"/api/v1/transition-requests?{query}").data[0]
    return found


def _verify(bundle: bytes) -> tuple[int, str]:
    """(exit code, last line) of the bundle's own verify.py, in an interpreter that knows nothing of this platform."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bundle.zip")
        file.write_bytes(bundle)
        program = Path(folder, "verify.py")
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            program.write_bytes(archive.read("verify.py"))
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(program), str(file)],
            capture_output=True,
            text=True,
            timeout=_VERIFY_SECONDS,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    failed = [line for line in lines if "FAIL" in line.upper() or "✗" in line]
    return done.returncode, (failed or lines or ["nothing was said"])[0 if failed else -1].strip()


def _changed(bundle: bytes, member: str) -> bytes:
    """The archive with one byte of a member's content turned over."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        content = archive.read(member)
    place = bundle.index(content) + len(content) // 2
    return bundle[:place] + bytes([bundle[place] ^ 1]) + bundle[place + 1 :]
