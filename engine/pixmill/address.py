"""Where in which object store something is, how it is reached, and what is known of an object.

Pure: holds no secret, and refuses URLs that do. Must not import obstore, which is an extra.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from pixmill.errors import OptionError

__all__ = [
    "DEFAULT_ACCESS",
    "SCHEMES",
    "TAGGED_SCHEMES",
    "Access",
    "Address",
    "ObjectFacts",
    "is_address",
    "parse_tagging",
    "tag_digest",
]

SCHEMES: Final = {
    "s3": "Amazon S3 and what speaks like it",
    "gs": "Google Cloud Storage",
    "az": "Azure Blob Storage",
    "file": "folders of this machine, as a store, for tests",
    "memory": "this process alone, for tests",
}
TAGGED_SCHEMES: Final = frozenset({"s3", "az"})
"""Whose objects have tags."""

_FOLDERS: Final = "file"
"""The only scheme that has no buckets."""
_SHOWN: Final = ("s3", "gs", "az")
_SECOND_NS: Final = 1_000_000_000
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_MOST_TAGS: Final = 10
_TAG: Final = re.compile(r"[\w +\-=.:/@]{1,128}")
_TAG_VALUE: Final = re.compile(r"[\w +\-=.:/@]{0,256}")
"""What Amazon takes; Azure takes no @, and ASCII alone."""

_SECRETIVE: Final = re.compile(r"[?#]|^[^/]*@")


def is_address(named: str) -> bool:
    """Return whether a source or destination is spelled as a URL, and so is no local path."""
    return _URL.fullmatch(named) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """A prefix in a bucket, or a whole one.

    Attributes:
        scheme: One of `SCHEMES`.
        bucket: Name of the bucket; Azure's container.
        prefix: Without slashes at its ends; empty for the whole bucket.
    """

    scheme: str
    bucket: str
    prefix: str = ""

    @classmethod
    def parsed(cls, url: str, *, option: str | None = None) -> Address:
        """Return what a URL names.

        Args:
            url: Such as `s3://bucket/prefix`.
            option: The option that an error is about.

        Raises:
            OptionError: It is no such URL, or carries what may be a secret.
        """
        match = _URL.fullmatch(url)
        able = ", ".join(f"{scheme}://" for scheme in _SHOWN)
        if match is None or match["scheme"].lower() not in SCHEMES:
            scheme = "no scheme" if match is None else f"{match['scheme']}://"
            raise OptionError(f"expected a path or one of {able}; got {scheme}", option=option)
        if _SECRETIVE.search(match["rest"]):
            raise OptionError(
                "a URL must carry neither user, password, query nor fragment, since URLs are "
                "logged: give access by environment variables or --profile",
                option=option,
            )
        bucket, _, prefix = match["rest"].partition("/")
        if not bucket and match["scheme"].lower() != _FOLDERS:
            raise OptionError(
                f"expected a bucket as in s3://bucket/prefix, got {url!r}", option=option
            )
        return cls(match["scheme"].lower(), bucket, prefix.strip("/"))

    def beside(self, ending: str) -> Address:
        """Return the prefix that has this one's name and an ending more; inside a whole bucket."""
        prefix = f"{self.prefix}{ending}" if self.prefix else ending
        return Address(self.scheme, self.bucket, prefix)

    def holds(self, other: Address) -> bool:
        """Return whether another lies at or below this one."""
        is_same_bucket = (self.scheme, self.bucket) == (other.scheme, other.bucket)
        above = f"{self.prefix}/" if self.prefix else ""
        return is_same_bucket and f"{other.prefix}/".startswith(above)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object, as a listing or an answer tells of it.

    Attributes:
        key: Relative to the prefix.
        size_bytes: Its size.
        mtime_ns: When it was put, nanoseconds since the epoch; 0 where the answer does not tell.
        tag: Its ETag, as the store spells it, quotes included; another object another tag.
        version: Its version or generation, where the store tells one; else empty.
    """

    key: str
    size_bytes: int
    mtime_ns: int
    tag: str
    version: str = ""

    @property
    def identity_ns(self) -> int:
        """The second in which it was put, and in place of the rest of that second its tag.

        So an object is known again as a file is, by size and time, and another tag is another
        time; who reads it as a time is less than a second off.
        """
        second = self.mtime_ns // _SECOND_NS * _SECOND_NS
        return second + int(tag_digest(self.tag) or "0", 16) % _SECOND_NS


def parse_tagging(text: str) -> tuple[tuple[str, str], ...]:
    """Return the tags that a text names as URLs spell queries: `team=web&kind=thumb%20nail`.

    Raises:
        OptionError: It names none, one of them twice, or more or longer ones than stores take.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        message = f"expected tags such as team=web&kind=thumbnail, got {text!r}"
        raise OptionError(message) from None
    if not pairs or len(dict(pairs)) < len(pairs) or len(pairs) > _MOST_TAGS:
        raise OptionError(f"expected 1 to {_MOST_TAGS} tags, each once, got {text!r}")
    for name, value in pairs:
        if not (_TAG.fullmatch(name) and _TAG_VALUE.fullmatch(value)):
            message = f"{name}={value}: expected up to 128 and 256 letters, digits, + - = . _ : / @"
            raise OptionError(message)
    return tuple(pairs)


def tag_digest(tag: str) -> str:
    """Return the SHA-256 of an ETag, hexadecimal, by which it is kept; empty if there is none."""
    return hashlib.sha256(tag.encode()).hexdigest() if tag else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How object stores are reached, beside what the environment says; no secret is among it.

    Attributes:
        endpoint_url: Where the store's server is, in place of the provider's own.
        region: Region of the bucket.
        is_anonymous: Whether requests are not signed.
        profile: Profile of the AWS configuration files; needs boto3.

    Raises:
        OptionError: The endpoint is no plain URL.
    """

    endpoint_url: str | None = None
    region: str | None = None
    is_anonymous: bool = False
    profile: str | None = None

    def __post_init__(self) -> None:
        """Refuse an endpoint that is none, or holds a secret."""
        if self.endpoint_url is None:
            return
        match = _URL.fullmatch(self.endpoint_url)
        if match is None or match["scheme"].lower() not in {"http", "https"}:
            raise OptionError("expected http://… or https://…", option="endpoint_url")
        if _SECRETIVE.search(match["rest"]):
            raise OptionError(
                "an endpoint must carry neither user, password, query nor fragment: give access "
                "by environment variables or --profile",
                option="endpoint_url",
            )


DEFAULT_ACCESS: Final = Access()
