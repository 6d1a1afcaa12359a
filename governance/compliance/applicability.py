"""What a requirement applies to. A condition answers with None (it applies) or with the reason why it does not."""

from __future__ import annotations

from collections.abc import Callable

from governance.compliance.facts import Facts

GENERATIVE = frozenset({"llm", "generative", "language_model", "diffusion", "agent"})

ANNEX_III, ANNEX_I, MINIMAL = "annex_iii", "annex_i", "minimal"


def system_class(facts: Facts) -> str:
    """The class under the EU AI Act: what the owners declare in `metadata.compliance.euAiAct`, or else by risk tier.

    A High risk tier without a declaration is taken for a system of Annex III: the stricter reading.
    """
    declared = facts.declared.get("euAiAct")
    if declared in (ANNEX_III, ANNEX_I, MINIMAL):
        return str(declared)
    return ANNEX_III if facts.risk_tier == "High" else MINIMAL


def _high_risk(facts: Facts) -> str | None:
    if system_class(facts) != MINIMAL:
        return None
    declared = facts.declared.get("euAiAct") == MINIMAL
    how = "its owners declare it to be no high-risk system" if declared else f"its risk tier is {facts.risk_tier}"
    return f"It is not treated as a high-risk system: {how}."


def _in_production(facts: Facts) -> str | None:
    return None if facts.state == "production" else f"The version is {facts.state}, not in production."


def _high_risk_in_production(facts: Facts) -> str | None:
    return _high_risk(facts) or _in_production(facts)


def _not_generative(facts: Facts) -> str | None:
    if facts.model_type in GENERATIVE:
        return f"Generative and agentic models are out of scope; its type is {facts.model_type!r}."
    return None


def _material(facts: Facts) -> str | None:
    return _not_generative(facts) or (
        "Its risk tier is Low, so its materiality does not call for it." if facts.risk_tier == "Low" else None
    )


CONDITIONS: dict[str, Callable[[Facts], str | None]] = {
    "always": lambda facts: None,
    "high_risk": _high_risk,
    "high_risk_in_production": _high_risk_in_production,
    "in_production": _in_production,
    "not_generative": _not_generative,
    "material": _material,
}
