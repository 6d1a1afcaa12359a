"""Checkpoints in the form of C2SP tlog-checkpoint."""

from __future__ import annotations

from base64 import b64encode

import pytest

from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import EMPTY_ROOT, leaf_hash
from governance.audit.note import InvalidNoteError, VerifierKey, sign_note
from tests.governance.audit.histories import SIGNING_KEY, VERIFIER

ROOT = leaf_hash(b"root")
ROOT_TEXT = b64encode(ROOT).decode()
NAME = VERIFIER.name


def test_text_is_origin_size_and_root() -> None:
    root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="  # the example of the specification
    checkpoint = Checkpoint(
        "example.com/behind-the-sofa",
        20852163,
        bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"),
    )
    assert checkpoint.text() == f"example.com/behind-the-sofa\n20852163\n{root}\n"


@pytest.mark.parametrize("size", [0, 1, 20852163, 2**62])
def test_what_was_signed_comes_back(size: int) -> None:
    checkpoint = Checkpoint(NAME, size, EMPTY_ROOT if size == 0 else ROOT)
    assert Checkpoint.opened(checkpoint.signed(SIGNING_KEY), VERIFIER) == checkpoint


def test_extension_lines_of_later_writers_are_passed_over() -> None:
    note = sign_note(f"{NAME}\n7\n{ROOT_TEXT}\nextension\n", NAME, SIGNING_KEY)
    assert Checkpoint.opened(note, VERIFIER) == Checkpoint(NAME, 7, ROOT)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n7\n",
        f"another.log\n7\n{ROOT_TEXT}\n",
        f"{NAME}\n07\n{ROOT_TEXT}\n",
        f"{NAME}\n-7\n{ROOT_TEXT}\n",
        f"{NAME}\n\u0667\n{ROOT_TEXT}\n",
        f"{NAME}\n{'9' * 30}\n{ROOT_TEXT}\n",
        f"{NAME}\nseven\n{ROOT_TEXT}\n",
        f"{NAME}\n7\nroot\n",
        f"{NAME}\n7\n{ROOT_TEXT[:-4]}\n",
        f"{NAME}\n7\n{ROOT_TEXT}\n\nextension\n",
        f"\n{NAME}\n7\n{ROOT_TEXT}\n",
    ],
    ids=range(11),
)
def test_signed_texts_that_are_no_checkpoint_are_rejected(text: str) -> None:
    with pytest.raises(InvalidNoteError):
        Checkpoint.opened(sign_note(text, NAME, SIGNING_KEY), VERIFIER)


def test_a_checkpoint_by_another_name_of_the_same_key_is_rejected() -> None:
    renamed = VerifierKey("gatehouse.audit/other", VERIFIER.public)
    with pytest.raises(InvalidNoteError, match="not signed by"):
        Checkpoint.opened(Checkpoint(NAME, 1, ROOT).signed(SIGNING_KEY), renamed)
