"""Licences are compared with SPDX identifiers, and nothing is said about what they allow."""

from __future__ import annotations

import pytest

from governance.bundle.licences import recognised


@pytest.mark.parametrize(
    "text",
    ["MIT", "Apache-2.0", "MIT OR Apache-2.0", "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0"],
)
def test_spdx_expressions_are_recognised(text: str) -> None:
    assert recognised(text)


@pytest.mark.parametrize(
    "text",
    ["", "apache 2", "Apache2", "llama3.1", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT MIT", "MIT; rm", "MIT WITH x"],
)
def test_everything_else_is_for_a_person(text: str) -> None:
    assert not recognised(text)
