"""What licences the version and its artifacts state, and whether these are SPDX identifiers that we know.

A finding about spelling, no legal opinion: nothing here says what a licence allows.
"""

from __future__ import annotations

import re
from typing import Any

from governance.bundle.facts import Facts

# Identifiers of the SPDX License List 3.27 that models, data and their code come under most; others are for a person.
KNOWN = frozenset(
    """0BSD AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause
    BSD-3-Clause-Clear BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-4.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0
    CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0
    EUPL-1.1 EUPL-1.2 GFDL-1.3-only GFDL-1.3-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC
    LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MIT MIT-0 MPL-2.0 MS-PL NCSA ODbL-1.0 ODC-By-1.0
    OFL-1.1 OSL-3.0 PDDL-1.0 PostgreSQL Python-2.0 Unlicense UPL-1.0 WTFPL Zlib ZPL-2.1""".split()  # noqa: SIM905
)
_EXCEPTIONS = frozenset({"Classpath-exception-2.0", "LLVM-exception", "GCC-exception-3.1"})
_TOKEN = re.compile(r"[()]|[A-Za-z0-9.+-]+")


def recognised(text: str) -> bool:
    """Is it an SPDX expression over identifiers that we know?"""
    return bool(text) and re.sub(r"[\s()]|[A-Za-z0-9.+-]", "", text) == "" and _expression(_TOKEN.findall(text))


def _expression(words: list[str]) -> bool:
    """Identifiers joined by AND and OR; WITH an exception; balanced parentheses."""
    depth, wants_operand = 0, True
    rest = iter(words)
    for word in rest:
        if wants_operand and word == "(":
            depth += 1
        elif wants_operand:
            if word not in KNOWN:
                return False
            wants_operand = False
        elif word == ")":
            depth -= 1
            if depth < 0:
                return False
        elif word in ("AND", "OR"):
            wants_operand = True
        elif word != "WITH" or next(rest, "") not in _EXCEPTIONS:
            return False
    return depth == 0 and not wants_operand


def licence_findings(facts: Facts) -> dict[str, Any]:
    """{"note", "findings": [{"about", "stated", "spdx": "recognised" | "not_recognised" | "none", "sentence"}]}."""
    stated = [("version", facts.subject["version"]["metadata"].get("license"))]
    stated += [(item["id"], item["license"]) for item in facts.subject["artifacts"]]
    return {
        "note": "Whether a stated licence is an SPDX identifier that the registry knows. No legal advice.",
        "findings": [_finding(about, text) for about, text in stated],
    }


def _finding(about: str, text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or not text.strip():
        sentence = "States no licence of its own; that of the version is meant, if it has one."
        return {"about": about, "stated": None, "spdx": "none", "sentence": sentence}
    if recognised(text.strip()):
        sentence = f"{text.strip()} is an SPDX expression."
        return {"about": about, "stated": text, "spdx": "recognised", "sentence": sentence}
    sentence = "This is no SPDX identifier that the registry knows; a person has to read the licence."
    return {"about": about, "stated": text, "spdx": "not_recognised", "sentence": sentence}
