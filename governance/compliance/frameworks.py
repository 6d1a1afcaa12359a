"""The frameworks as they lie in `frameworks/*.yaml`: editions with dates and sources, requirements with controls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from governance.compliance.applicability import CONDITIONS
from governance.compliance.controls import CONTROLS
from governance.errors import NotFound

DISCLAIMER = (
    "A mapping made by the authors of this platform, not legal advice; an attestation is not a certificate of an "
    "accredited body."
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """when: a condition of `governance.compliance.applicability`. controls: all of them have to be met."""

    id: str
    title: str
    when: str
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edition:
    """One reading of a framework, in effect from `effective_from` until before `effective_until`.

    applies_from: the date from which its requirements bind, by class of system ("" for all classes).
    source_kind: "primary" (the text itself) or "secondary" (what others report about it: to be confirmed).
    """

    id: str
    effective_from: date
    effective_until: date | None
    applies_from: dict[str, date]
    source: str
    source_kind: Literal["primary", "secondary"]
    note: str
    requirements: tuple[Requirement, ...]

    def in_effect(self, on: date) -> bool:
        return self.effective_from <= on and (self.effective_until is None or on < self.effective_until)

    def binds_from(self, system_class: str) -> date:
        return self.applies_from.get(system_class, self.applies_from.get("", self.effective_from))


@dataclass(frozen=True, slots=True)
class Framework:
    id: str
    title: str
    publisher: str
    binding: bool
    editions: tuple[Edition, ...]

    def edition_on(self, on: date) -> Edition | None:
        """The one in effect on that date; None before the first and after the last."""
        return next((edition for edition in self.editions if edition.in_effect(on)), None)


def _requirement(value: dict[str, Any]) -> Requirement:
    found = Requirement(str(value["id"]), value["title"], value.get("when", "always"), tuple(value["controls"]))
    if not found.controls or set(found.controls) - set(CONTROLS) or found.when not in CONDITIONS:
        raise ValueError(f"requirement {found.id} names a control or a condition that does not exist")
    return found


def _edition(value: dict[str, Any], requirements: dict[str, list[dict[str, Any]]]) -> Edition:
    return Edition(
        id=str(value["id"]),
        effective_from=value["effective_from"],
        effective_until=value.get("effective_until"),
        applies_from=dict(value.get("applies_from", {})),
        source=value["source"],
        source_kind=value["source_kind"],
        note=value.get("note", ""),
        requirements=tuple(map(_requirement, requirements[value["requirements"]])),
    )


def _framework(path: Path) -> Framework:
    value = yaml.safe_load(path.read_text())
    editions = tuple(_edition(edition, value["requirements"]) for edition in value["editions"])
    return Framework(value["id"], value["title"], value["publisher"], value["binding"], editions)


FRAMEWORKS: dict[str, Framework] = {
    framework.id: framework
    for framework in map(_framework, sorted((Path(__file__).parent / "frameworks").glob("*.yaml")))
}


def framework_named(name: str) -> Framework:
    """Raises NotFound."""
    try:
        return FRAMEWORKS[name]
    except KeyError:
        raise NotFound("compliance framework", name[:100]) from None
