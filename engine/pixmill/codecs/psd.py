"""PSD: the flattened picture that Photoshop stores beside its layers."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"8BPS\0\1")


SPEC: Final = pillow_codec(
    name="psd",
    title="PSD",
    suffixes=(".psd",),
    pillow_format="PSD",
    recognises=_recognises,
)
