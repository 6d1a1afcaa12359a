"""What happened, so that a stranger can check it years later.

The rules, from the inside out:

1. An *event* says who did what to which subject, with the values before and after (`event`). Its RFC 8785
   bytes are the *entry*; nothing of the event stands outside them.
2. The *leaf* is the RFC 6962 leaf hash of the entry and the *mac* is HMAC-SHA256 over the leaf with the
   platform's audit key (`entry`). Both are computed in the business transaction: no entry, no change. The
   leaf makes an edit visible, the mac makes an entry visible that was written by SQL alone.
3. One sequencer gives each entry its number, gap-free from 0, and links it to its predecessor (`chain`):
   chain_n = SHA-256(chain_{n-1} || n as 8 bytes || leaf_n). The chain tells *where* a history was touched.
4. The leaves are also an RFC 6962 Merkle tree (`merkle`, `proofs`). Its root after n entries is signed as a
   C2SP checkpoint (`note`, `checkpoint`) and kept outside the database. Whoever owns the database can
   recompute chains, but not the signature over an older root: cutting, emptying or rewriting the log
   contradicts a checkpoint.
5. `verification` walks a log once, in constant memory, and names everything that does not hold; `diagnosis`
   finds out what was done to a row that does not fit, `seals` judges the checkpoints, `report` is the answer.

What this cannot show: entries dropped together with every checkpoint that covers them, or rewritten by
somebody who holds the signing key. Copy the checkpoint files to a place that the platform cannot write.
"""
