"""The clients of object stores: made of the environment and of what the user said.

Must not ask a store anything, nor show what it was made of.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from obstore import exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store

from pixmill.errors import OptionError
from pixmill.storage.azure import azure_access
from pixmill.storage.profiles import profile_of
from pixmill.storage.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, RetryConfig

    from pixmill.address import Access, Address

__all__ = ["Client", "client_of"]

Client: TypeAlias = S3Store | GCSStore | AzureStore | LocalStore | MemoryStore
# The time is the whole request's, its body included: 8 MB at 30 kB/s. No read timeout: it would
# end PUTs of bodies that are slow to leave.
_REQUEST_S: Final = 300
_CONNECT_S: Final = 5
# What lasts longer than these retries, 1 to 10 s, is waited for by who asks (`executors.gate`);
# obstore's own ten took up to a minute to say that an address does not answer.
_RETRIES: Final[RetryConfig] = {
    "max_retries": 5,
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=3),
        "base": 2,
    },
    "retry_timeout": timedelta(minutes=3),
}
_PLAIN_HTTP: Final = "http://"


def client_of(address: Address, access: Access) -> Client:
    """Return a client for a whole bucket; it repeats for some seconds what may pass.

    Raises:
        OptionError: What is to give access is missing, or cannot be read.
    """
    try:
        return _OPENERS[address.scheme](address, access)
    except exceptions.BaseError as error:
        said = str(error).partition("\n")[0].partition("error: ")[2].lower()
        raise OptionError(f"{address.scheme}:// cannot be reached: {redacted(said)}") from None


def _s3(address: Address, access: Access) -> Client:
    profile = profile_of(access)
    endpoint = (
        access.endpoint_url
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or (profile.endpoint_url if profile else None)
    )
    region = access.region or _region() or (profile.region if profile else None)
    return S3Store(
        address.bucket,
        config={
            **({"endpoint": endpoint} if endpoint else {}),
            **({"region": region} if region else {}),
            **({"skip_signature": True} if access.is_anonymous else {}),
        },
        client_options=_options(endpoint),
        retry_config=_RETRIES,
        credential_provider=profile.provider if profile else None,
    )


def _region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _gs(address: Address, access: Access) -> Client:
    endpoint = access.endpoint_url or os.environ.get("GOOGLE_BASE_URL")
    return GCSStore(
        address.bucket,
        config={
            **({"base_url": endpoint} if endpoint else {}),
            **({"skip_signature": True} if access.is_anonymous else {}),
        },
        client_options=_options(endpoint),
        retry_config=_RETRIES,
    )


def _az(address: Address, access: Access) -> Client:
    found = azure_access()
    endpoint = (
        access.endpoint_url
        or found.pop("endpoint", None)
        or os.environ.get("AZURE_STORAGE_ENDPOINT")
    )
    return AzureStore(
        address.bucket,
        config={
            **found,
            **({"endpoint": endpoint} if endpoint else {}),
            **({"skip_signature": True} if access.is_anonymous else {}),
        },
        client_options=_options(endpoint),
        retry_config=_RETRIES,
    )


def _folders(_address: Address, _access: Access) -> Client:
    return LocalStore("/")


def _memory(_address: Address, _access: Access) -> Client:
    return MemoryStore()


def _options(endpoint: str | None) -> ClientConfig:
    """Return how requests are made; without TLS only where the endpoint says so."""
    return {
        "timeout": timedelta(seconds=_REQUEST_S),
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "allow_http": bool(endpoint) and str(endpoint).startswith(_PLAIN_HTTP),
    }


_OPENERS: Final[dict[str, Callable[[Address, Access], Client]]] = {
    "s3": _s3,
    "gs": _gs,
    "az": _az,
    "file": _folders,
    "memory": _memory,
}
