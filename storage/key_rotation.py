"""Rotating the signing key of a platform, told by its audit log where there is one."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from governance.signing import Signer
from storage.composition import Platform
from storage.settings import Settings
from storage.signing_keys import Rotation, ring_of, rotate


def rotate_and_record(settings: Settings, *, overlap: timedelta, to: Signer | None = None) -> tuple[Rotation, bool]:
    """(the rotation, whether the audit log tells of it). See `storage.signing_keys.rotate`.

    A rotation proves itself, so one in an emergency does not wait for a database. Raises KeyFileError, OSError,
    DependencyUnavailable.
    """
    platform = Platform(settings, pool_size=1)
    call = platform.system_call("gatehouse keys rotate")
    before = str(ring_of(settings).current)
    made = rotate(settings, call.at, overlap=overlap, to=to).rotations[-1]
    after = str(made.following)
    event = call.event(
        "signing-key:rotated",
        "signing-key",
        after,
        before={"verifierKey": before},
        after={"verifierKey": after},
        overlapDays=overlap.days,
    )
    try:
        with platform.new_unit() as uow:
            uow.audit(event)
            uow.commit()
    except SQLAlchemyError:
        return made, False
    finally:
        platform.close()
    return made, True
