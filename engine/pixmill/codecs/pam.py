"""PAM and colour PFM: recognised, so that a failure can name them; Pillow does not read them."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.spec import CodecSpec, Library

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith((b"P7\n", b"PF\n"))


SPEC: Final = CodecSpec(
    name="pam",
    title="PAM",
    suffixes=(".pam",),
    reader=Library.NONE,
    recognises=_recognises,
)
