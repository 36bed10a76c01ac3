"""What must not be said: texts of others, such as a server's answer, without what gives access.

Must not be relied on alone: what is logged is made of few parts, and this looks through those.
"""

from __future__ import annotations

import os
import re
from typing import Final

__all__ = ["hide", "redacted"]

_SECRETIVE: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|SAS|CONNECTION_STRING")
_QUERY: Final = re.compile(r"(?<=[^\s?])\?[^\s\"'<>)]+")
_USER: Final = re.compile(r"(?<=://)[^/@\s]+@")
_SIGNED: Final = re.compile(r"(?i)\b(authorization|signature|x-amz-[\w-]+|sig|bearer)\b[:= ]+\S+")
# Paths of files that hold secrets, which a message must be able to name.
_PATH: Final = re.compile(r"_FILE$|^GOOGLE_APPLICATION_CREDENTIALS$")
_LEAST_LENGTH: Final = 6  # shorter ones are words of every text
_HIDDEN: Final = "[hidden]"
_TOLD: Final[set[str]] = set()
"""Secrets that this process has read elsewhere than in its environment."""


def hide(secret: str) -> None:
    """Have a secret hidden from now on that is the value of no variable."""
    if len(secret) >= _LEAST_LENGTH:
        _TOLD.add(secret)


def redacted(text: str) -> str:
    """Return a text without queries of URLs, signatures and values of secret variables."""
    for name, value in os.environ.items():
        is_secret = _SECRETIVE.search(name.upper()) and not _PATH.search(name.upper())
        if is_secret and len(value) >= _LEAST_LENGTH:
            text = text.replace(value, _HIDDEN)
    for secret in _TOLD:
        text = text.replace(secret, _HIDDEN)
    text = _USER.sub(f"{_HIDDEN}@", _QUERY.sub("", text))
    return _SIGNED.sub(_HIDDEN, text)
