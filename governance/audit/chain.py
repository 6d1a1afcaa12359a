"""The hash chain, and the head from which the next entries go on.

chain_n = SHA-256(chain_{n-1} || n || leaf_n), with n as 8 bytes, most significant first (PostgreSQL's
`int8send`). The number is inside the hash, so a row that was moved or renumbered no longer fits. Before entry
0 stands GENESIS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from governance.audit.merkle import CompactRange

GENESIS_TEXT = "gatehouse audit log, format 1"

GENESIS = sha256(GENESIS_TEXT.encode()).digest()
"""chain_{-1}: SHA-256 of GENESIS_TEXT."""

_INT8 = 2**64 - 1


def link(previous: bytes, seq: int, leaf: bytes) -> bytes:
    """The chain value of entry `seq`. Negative or huge numbers (tampering makes them) wrap as int8 does."""
    return sha256(previous + (seq & _INT8).to_bytes(8, "big") + leaf).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: `size` entries, the last chain value, and the Merkle tree's right edge."""

    size: int
    chain: bytes
    frontier: tuple[bytes, ...]

    @classmethod
    def empty(cls) -> Head:
        return cls(0, GENESIS, ())

    def root(self) -> bytes:
        """Merkle root over all entries. Raises ValueError when `frontier` cannot belong to `size`."""
        return CompactRange(self.size, self.frontier).root()

    def extended(self, leaves: Iterable[bytes]) -> tuple[Head, list[bytes]]:
        """The head after `leaves`, and the chain value of each of them. Raises ValueError like `root`."""
        tree = CompactRange(self.size, self.frontier)
        chain, values = self.chain, []
        for leaf in leaves:
            chain = link(chain, tree.size, leaf)
            tree.append(leaf)
            values.append(chain)
        return Head(tree.size, chain, tree.frontier), values
