"""Rules that people write: CEL (Common Expression Language, https://cel.dev) over the facts of one case.

A rule is checked against declared variables when it is written (`compiling`), says what it found clause by clause
(`clauses`), and passes only by being true: an error, a missing fact or an exhausted budget is never a pass. Nothing in
CEL can reach Python, files or the network, and the cost of a rule is bounded.
"""

from governance.rules.compiling import Clause, Finding, Problem, Rule, RuleError, compile_rule
from governance.rules.variables import VARIABLES, Variable, facts_of, needs_of

__all__ = [
    "VARIABLES",
    "Clause",
    "Finding",
    "Problem",
    "Rule",
    "RuleError",
    "Variable",
    "compile_rule",
    "facts_of",
    "needs_of",
]
