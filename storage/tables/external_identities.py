"""Which user an identity provider means by a subject."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Table

from storage.tables.base import identifier, metadata, moment, text, texts

external_identities = Table(
    "external_identities",
    metadata,
    text("issuer", primary_key=True),
    text("subject", primary_key=True),
    identifier("user_id", ForeignKey("users.id")),
    texts("claims"),  # the provider's newest words for groups
    moment("issued_at"),  # when the provider said so
    moment("created_at"),
    moment("last_seen_at"),
    Index("external_identities_user_id_ix", "user_id"),
)
