"""What the audit log says of people who cannot sign in."""

from __future__ import annotations

from collections.abc import Sequence

from governance.operations.calls import Call
from governance.ports import UnitOfWork


def record_lock(uow: UnitOfWork, call: Call, buckets: Sequence[str], user_id: str | None) -> None:
    """An account or an address is locked after too many failures. `buckets`: their keyed digests, since what was
    typed as a name may be a password; user_id: of the account, where there is one.
    """
    with uow:
        for bucket in buckets:
            kind, _, _ = bucket.partition(":")
            of_user = user_id if kind == "account" else None
            uow.audit(call.event("sign-in:locked", "sign-in", bucket, locked=kind, userId=of_user))
        uow.commit()
