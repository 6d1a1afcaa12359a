"""A successor is shown to be no worse than the version in production, on the same examples.

The comparison is paired (same examples, both models) and the judgement is the margin form of
`governance.statistics.paired`: it passes only when the data show that the drop stays within the suite's margin.
Too few examples to show that is `Unknown`, which blocks: absence of evidence is not a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from governance.errors import InvalidInput
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.verdicts import Failed, Passed, Unknown, Verdict


@dataclass(frozen=True)
class NoWorseThanIncumbent(Policy):
    name: ClassVar[str] = "no-worse-than-incumbent"
    title: ClassVar[str] = "Is it at least as good as what is in production?"
    transitions: ClassVar = frozenset({TransitionName.APPROVE_PRODUCTION, TransitionName.PROMOTE_PRODUCTION})
    alpha: float = 0.05  # one-sided error rate of each comparison

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.2:
            raise InvalidInput("no-worse-than-incumbent.alpha is above 0 and at most 0.2.")

    def judge(self, case: Case) -> Verdict:
        incumbent = case.evidence.subject["incumbent"]
        if incumbent is None:
            return Passed("Nothing is in production yet.")
        comparisons = case.evidence.measured["comparisons"]
        suites = {item["suiteId"] for item in case.evidence.subject["evaluations"]}
        if not suites or suites - {item["suiteId"] for item in comparisons}:
            return Unknown(f"Not every suite was compared with version {incumbent['version']} in production.")
        worse = [_sentence(c) for c in comparisons if c["conclusion"] == "worse"]
        if worse:
            return Failed(tuple(worse), facts={"comparisons": comparisons})
        undecided = [_sentence(c) for c in comparisons if c["conclusion"] != "not_worse"]
        if undecided:
            return Unknown(" ".join(undecided), facts={"comparisons": comparisons})
        return Passed(" ".join(_sentence(c) for c in comparisons), facts={"comparisons": comparisons})

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_PRODUCTION
        incumbent = {"incumbent": {"versionId": "v1", "version": "1.0.0"}}

        def compared(conclusion: str) -> Case:
            comparison: dict[str, Any] = {
                "suiteId": "s1",
                "suiteName": "holdout",
                "conclusion": conclusion,
                "n": 500,
                "drop": 0.01,
                "upper": 0.02,
                "margin": 0.03,
                "unit": "points",
                "neededN": 900,
            }
            return sample_case(ask, subject=incumbent, measured={"comparisons": [comparison]})

        return (
            (sample_case(ask), compared("not_worse")),
            (compared("worse"), compared("insufficient_evidence"), sample_case(ask, subject=incumbent)),
        )


def _sentence(item: dict[str, Any]) -> str:
    if item["conclusion"] == "unavailable":
        return f"Suite {item['suiteName']!r}: {item['reason']}"
    scale, unit = (100, "points") if item["unit"] == "points" else (100, "% of the incumbent's loss")
    measured = (
        f"Suite {item['suiteName']!r}: drop {item['drop'] * scale:+.2f} {unit} on {item['n']} shared examples, "
        f"at most {item['upper'] * scale:.2f} at 95 % confidence, margin {item['margin'] * scale:.2f}"
    )
    if item["conclusion"] == "insufficient_evidence":
        needed = f"; about {item['neededN']} examples would be needed" if item.get("neededN") else ""
        return f"{measured}: too little evidence to say{needed}."
    return measured + (": worse than the incumbent." if item["conclusion"] == "worse" else ".")
