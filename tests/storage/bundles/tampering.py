"""Everything that somebody could do to a bundle on its way, and the name that has to be told about it."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from governance.bundle.verify import SEALING, pack
from governance.canonical import canonical_bytes

Members = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Case:
    """`named`: words of which one has to be the subject of what does not hold, or stand in its message."""

    name: str
    archive: bytes
    named: tuple[str, ...]


def cases(members: Members) -> Iterator[Case]:
    """The same for the same members."""
    yield from _contents(members)
    yield from _arrangements(members)
    yield from _archive(members)
    yield from _entries(members)
    yield from _proofs(members)
    yield from _forgeries(members)


def _with(members: Members, name: str, content: bytes) -> Members:
    return [(one, content if one == name else data) for one, data in members]


def _changed(data: bytes, place: int, bit: int = 0) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def _contents(members: Members) -> Iterator[Case]:
    dice = random.Random(6962)
    for name, data in members:
        places = {0, len(data) // 2, len(data) - 1, *(dice.randrange(len(data)) for _ in range(6))}
        for place in sorted(places):
            changed = _changed(data, place, dice.randrange(8))
            yield Case(f"{name}: byte {place}", pack(_with(members, name, changed)), (name,))
        for what, content in (
            ("a byte less", data[:-1]),
            ("half", data[: len(data) // 2]),
            ("empty", b""),
            ("a byte more", data + b"\n"),
            ("a byte before", b" " + data),
        ):
            yield Case(f"{name}: {what}", pack(_with(members, name, content)), (name,))


def _arrangements(members: Members) -> Iterator[Case]:
    for index, (name, data) in enumerate(members):
        other, foreign = members[(index + 1) % len(members)]
        without = [one for one in members if one[0] != name]
        yield Case(f"{name}: dropped", pack(without), (name,))
        renamed = [(f"{one}.old" if one == name else one, content) for one, content in members]
        yield Case(f"{name}: renamed", pack(renamed), (name,))
        yield Case(f"{name}: twice", pack([*members, (name, data)]), (name,))
        yield Case(f"{name}: twice, first another", pack([(name, b"{}"), *members]), (name,))
        swapped = _with(_with(members, name, foreign), other, data)
        yield Case(f"{name}: content exchanged with {other}", pack(swapped), (name, other))
        moved = (
            [*without[: index // 2], (name, data), *without[index // 2 :]] if index > 1 else [*without, (name, data)]
        )
        # The first that stands elsewhere is named, which may be one that another pushed aside.
        beside = {one for one, _ in members[: index + 2]}
        yield Case(f"{name}: at another place", pack(moved), (name, *sorted(beside)))
    yield Case("something added", pack([*members, ("more.txt", b"hello")]), ("more.txt",))
    yield Case("something added in front", pack([("a.html", b"hello"), *members]), ("a.html",))


def _archive(members: Members) -> Iterator[Case]:
    """Bytes of the ZIP itself, which no checksum covers."""
    whole = pack(members)
    offset = 0
    directory = sum(30 + len(name) + len(data) for name, data in members)
    for name, data in members:
        fields = {"version": 4, "encrypted": 6, "method": 8, "time": 10, "crc": 14, "size": 22, "extra": 28, "name": 31}
        for what, place in fields.items():
            yield Case(f"{name}: local {what}", _changed(whole, offset + place), (name,))
        for what, place in {
            "method": 10,
            "crc": 16,
            "size": 24,
            "comment": 32,
            "mode": 38,
            "offset": 42,
            "name": 47,
        }.items():
            yield Case(f"{name}: directory {what}", _changed(whole, directory + place), (name,))
        offset += 30 + len(name) + len(data)
        directory += 46 + len(name)
    archive = ("archive",)
    yield Case("data before", b"#!/bin/sh\n" + whole, archive)
    yield Case("data behind", whole + b"more", archive)
    yield Case("a comment", whole[:-2] + struct.pack("<H", 4) + b"note", archive)
    yield Case("another end", whole + whole[-22:], archive)
    for length in (1, 22, 23, len(whole) // 2, len(whole) - 10):
        yield Case(f"{length} bytes cut", whole[:-length], archive)
    first = members[0]
    for name in ("../escape", "/absolute", "a/../../b", "a\\b", "nul\0", "c:d", ".hidden", "a//b", "x" * 201):
        yield Case(f"a member called {name!r}", pack([first, (name, b"x"), *members[1:]]), archive)
    huge = bytearray(whole)
    huge[18:26] = b"\xff" * 8
    yield Case("a member of 4 GiB", bytes(huge), (first[0],))


def _lines(members: Members) -> list[dict[str, object]]:
    return [json.loads(line) for line in dict(members)["audit/entries.ndjson"].splitlines()]


def _entries(members: Members) -> Iterator[Case]:
    name = "audit/entries.ndjson"
    rows = _lines(members)

    def packed(changed: list[dict[str, object]]) -> bytes:
        return pack(_with(members, name, b"".join(canonical_bytes(row) + b"\n" for row in changed)))

    for index, row in enumerate(rows):
        word = f"entry {row['seq']}"
        rest = [*rows[:index], *rows[index + 1 :]]
        text = str(row["entry"])
        yield Case(f"{word}: dropped", packed(rest), (word,))
        edited = {**row, "entry": text.replace("dana", "dora", 1) if "dana" in text else text + " "}
        yield Case(f"{word}: edited", packed([*rows[:index], edited, *rows[index + 1 :]]), (word,))
        yield Case(f"{word}: twice", packed([*rows[: index + 1], row, *rows[index + 1 :]]), (word,))
        yield Case(f"{word}: renumbered", packed([*rows[:index], {**row, "seq": 10**6}, *rows[index + 1 :]]), (word,))
        if index + 1 < len(rows):
            other = rows[index + 1]
            order = [*rows[:index], other, row, *rows[index + 2 :]]
            yield Case(f"{word}: after the next", packed(order), (word,))
            contents = [*rows[:index], {**row, "entry": other["entry"]}, {**other, "entry": text}, *rows[index + 2 :]]
            yield Case(f"{word}: content exchanged with the next", packed(contents), (word,))
    for count in range(1, len(rows)):
        yield Case(f"the last {count} entries cut", packed(rows[:-count]), (f"entry {rows[-1]['seq']}",))


def _proofs(members: Members) -> Iterator[Case]:
    name = "audit/proofs.json"
    proofs = json.loads(dict(members)[name])
    for index, one in enumerate(proofs["entries"]):
        for what, path in (
            ("shorter", one["path"][:-1]),
            ("longer", [*one["path"], "00" * 32]),
            ("another", ["00" * 32, *one["path"][1:]]),
        ):
            entries = [*proofs["entries"][:index], {**one, "path": path}, *proofs["entries"][index + 1 :]]
            changed = canonical_bytes({**proofs, "entries": entries})
            yield Case(
                f"entry {one['seq']}: proof {what}", pack(_with(members, name, changed)), (f"entry {one['seq']}",)
            )
    for size in (proofs["size"] - 1, proofs["size"] + 1):
        yield Case(f"proofs for {size}", pack(_with(members, name, canonical_bytes({**proofs, "size": size}))), (name,))
    nothing = canonical_bytes({**proofs, "consistency": None})
    yield Case("no proof of consistency", pack(_with(members, name, nothing)), (name,))


def _forgeries(members: Members) -> Iterator[Case]:
    """By somebody who knows the format and makes the manifest anew: then the statement about it is what breaks."""
    for name, data in members:
        if name not in SEALING:
            changed = relisted(_with(members, name, data + b" "))
            yield Case(f"{name}: with a new manifest", pack(changed), ("manifest.json", name))
            rest = [one for one in members if one[0] != name]
            yield Case(f"{name}: dropped with a new manifest", pack(relisted(rest)), ("manifest.json", name))


def relisted(members: Members) -> Members:
    """With the manifest that these members would have."""
    manifest = json.loads(dict(members)["manifest.json"])
    manifest["members"] = [
        {"name": name, "size": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in members
        if name not in SEALING
    ]
    return _with(members, "manifest.json", canonical_bytes(manifest))


def undetected(found: Iterator[Case], problems: Callable[[bytes], dict[str, str]]) -> tuple[int, list[str]]:
    """(cases, those that went through or were not named)."""
    count, missed = 0, []
    for case in found:
        count += 1
        told = problems(case.archive)
        words = [*told, *told.values()]
        if not any(name in word for name in case.named for word in words):
            missed.append(f"{case.name}: {told or 'not detected'}")
    return count, missed
