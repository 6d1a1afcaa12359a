"""Compliance as dated data: frameworks are files, controls are questions to the recorded evidence.

A framework has editions, each in effect between two dates, with its source; an edition has requirements, each mapped to
controls of this platform. What is mapped to what is our reading, published so that it can be disputed: it is not legal
advice, and an attestation by this platform is not a certificate of an accredited body.
"""

from __future__ import annotations

from governance.compliance.assessment import Assessment, assess
from governance.compliance.facts import Facts
from governance.compliance.frameworks import DISCLAIMER, FRAMEWORKS, Edition, Framework, framework_named

__all__ = ["DISCLAIMER", "FRAMEWORKS", "Assessment", "Edition", "Facts", "Framework", "assess", "framework_named"]
