"""Credentials by the files and tools of AWS, as its own command line reads them, through boto3.

obstore reads variables alone; boto3 knows keys, roles, SSO, programs and what they refer to.
Must not show what it was told: messages name files and reasons, never values.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixmill.errors import OptionError
from pixmill.extras import Package, is_installed
from pixmill.storage.secrets import hide, redacted

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider

    from pixmill.address import Access

__all__ = ["Profile", "profile_of"]

# In no extra: most users name no profile, and it is 35 MB.
_BOTO3: Final = Package("boto3", "")
_CONFIG: Final = ("AWS_CONFIG_FILE", "~/.aws/config")
_CREDENTIALS: Final = ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
# With these in the environment the files are not asked, as boto3 has it.
_GIVEN: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# boto3 renews what ends within 10 minutes when it is asked, and obstore asks no sooner than this.
_ASKED_AGAIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile says.

    Attributes:
        provider: Knows its credentials, and renews them.
        region: Region that it names, or `None`.
        endpoint_url: Endpoint that it names for S3, or `None`.
    """

    provider: Boto3CredentialProvider
    region: str | None
    endpoint_url: str | None


def profile_of(access: Access) -> Profile | None:
    """Return the profile that gives access, `None` where it is for the environment to give.

    That is the one that was named, or else, where no keys are in the environment, the one that
    `AWS_PROFILE` names, or the default one if there are files and boto3 to read them.

    Raises:
        OptionError: A profile is named, and boto3 is missing or it gives no credentials.
    """
    if access.is_anonymous:
        return None
    named = access.profile
    if named is None and not any(name in os.environ for name in _GIVEN):
        named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
        if named is None and is_installed(_BOTO3) and any(map(os.path.exists, _files())):
            return _read(None)
    return None if named is None else _read(named)


def _read(name: str | None) -> Profile | None:
    if not is_installed(_BOTO3):
        raise OptionError("a profile needs boto3: pip install boto3", option="profile")
    import botocore.session  # noqa: PLC0415 - 284 ms, for who names a profile
    from botocore.configprovider import ConfiguredEndpointProvider  # noqa: PLC0415 - likewise
    from botocore.exceptions import (  # noqa: PLC0415 - likewise
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
    )
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - likewise

    session = botocore.session.Session(profile=name)
    try:
        if name is None and session.get_credentials() is None:
            return None
        provider = Boto3CredentialProvider(session, ttl=_ASKED_AGAIN)
        given = provider()
        endpoints = ConfiguredEndpointProvider(
            session.full_config, session.get_scoped_config(), "s3"
        )
        region, endpoint_url = session.get_config_variable("region"), endpoints.provide()
    except CredentialRetrievalError:  # its words are a program's, and may be anything
        raise _unusable(name, "the program that it names failed") from None
    except (BotoCoreError, ClientError, ValueError, OSError) as error:
        words = "it names no credentials" if isinstance(error, ValueError) else str(error)
        raise _unusable(name, words) from None
    _hide(given)
    return Profile(provider, region, endpoint_url)


def _hide(given: Any) -> None:
    for key in ("secret_access_key", "token"):
        hide(given.get(key) or "")


def _unusable(name: str | None, words: str) -> OptionError:
    said = redacted(" ".join(words.split())).rstrip(". ")
    looked = " and ".join(_files())
    return OptionError(
        f"the profile {name or 'default'} gives no credentials: {said}; looked into {looked}",
        option="profile",
    )


def _files() -> list[str]:
    """Return the paths of AWS' own files."""
    return [
        str(Path(os.environ.get(variable, usual)).expanduser())
        for variable, usual in (_CONFIG, _CREDENTIALS)
    ]
