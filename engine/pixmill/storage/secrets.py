"""What must not be said: texts of others, such as a server's answer, without what gives access.

Must not be relied on alone: what is logged is made of few parts, and this looks through those.
"""

from __future__ import annotations

import os
import re
from typing import Final

__all__ = ["redacted"]

_SECRETIVE: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|SAS|CONNECTION_STRING")
_QUERY: Final = re.compile(r"(?<=[^\s?])\?[^\s\"'<>)]+")
_USER: Final = re.compile(r"(?<=://)[^/@\s]+@")
_SIGNED: Final = re.compile(r"(?i)\b(authorization|signature|x-amz-[\w-]+|sig|bearer)\b[:= ]+\S+")
_LEAST_LENGTH: Final = 6  # shorter ones are words of every text
_HIDDEN: Final = "[hidden]"


def redacted(text: str) -> str:
    """Return a text without queries of URLs, signatures and values of secret variables."""
    for name, value in os.environ.items():
        if len(value) >= _LEAST_LENGTH and _SECRETIVE.search(name.upper()):
            text = text.replace(value, _HIDDEN)
    text = _USER.sub(f"{_HIDDEN}@", _QUERY.sub("", text))
    return _SIGNED.sub(_HIDDEN, text)
