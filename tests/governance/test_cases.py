"""A case that was judged can be stored and judged again."""

from __future__ import annotations

import json

from governance.duties import Involvement
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.samples import sample_approval, sample_case


def test_a_case_survives_its_json() -> None:
    bare = sample_case(TransitionName.APPROVE_PRODUCTION)
    case = Case(
        transition=bare.transition,
        evidence=bare.evidence,
        requester_id="u-dev",
        reason="because",
        approvals=(sample_approval(bare, "grace", "risk", "clinical"),),
        as_of=bare.as_of,
        involved=(Involvement("u-dev", "author", "wrote version 2.0.0"),),
        group_lines={"risk": ("risk", "bank")},
        approved_subject={"a": 1},
        current_approved_subject={"a": 2},
        waived=frozenset({("fairness", 3)}),
    )
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
