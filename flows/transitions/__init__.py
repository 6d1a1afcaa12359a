"""One flow per transition. Workers import this package before they fork, so importing it must stay free of threads."""

from flows.runtime import warm_up
from flows.transitions.approve_production import approve_production
from flows.transitions.approve_staging import approve_staging
from flows.transitions.deploy_staging import deploy_staging
from flows.transitions.deprecate import deprecate
from flows.transitions.evaluate import evaluate
from flows.transitions.promote_production import promote_production
from flows.transitions.request_changes import request_changes
from flows.transitions.retire import retire
from flows.transitions.rollback import rollback
from flows.transitions.submit import submit

__all__ = [
    "approve_production",
    "approve_staging",
    "deploy_staging",
    "deprecate",
    "evaluate",
    "promote_production",
    "request_changes",
    "retire",
    "rollback",
    "submit",
    "warm_up",
]
