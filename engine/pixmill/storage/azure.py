"""Access to Azure as its own tools spell it in the environment, beyond what obstore reads.

Must not show what it was told: messages name variables and keys, never values.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pixmill.errors import OptionError
from pixmill.storage.secrets import hide

if TYPE_CHECKING:
    from obstore.store import AzureConfig

__all__ = ["azure_access"]

_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
# As the command line of Azure calls them; obstore reads AZURE_STORAGE_ACCOUNT_NAME and its like.
_ACCOUNT: Final = "AZURE_STORAGE_ACCOUNT"
_KEY: Final = "AZURE_STORAGE_KEY"
_PUBLIC: Final = "core.windows.net"


def azure_access() -> AzureConfig:
    """Return what the environment says in words that obstore does not know.

    Raises:
        OptionError: A connection string is none, or lacks something.
    """
    text = os.environ.get(_CONNECTION)
    if text:
        return _connected(text)
    found: AzureConfig = {}
    if account := os.environ.get(_ACCOUNT):
        found["account_name"] = account
    if key := os.environ.get(_KEY):
        found["account_key"] = key
    return found


def _connected(text: str) -> AzureConfig:
    """Return what a connection string says, whose parts are `Name=value` between semicolons."""
    parts = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
    known = {name.lower(): value for name, value in parts.items()}
    key, signature = known.get("accountkey"), known.get("sharedaccesssignature")
    for secret in (key, signature):
        hide(secret or "")
    if known.get("usedevelopmentstorage", "").lower() == "true":
        return {"use_emulator": True}
    endpoint = _endpoint(known)
    account = known.get("accountname") or urlsplit(endpoint).netloc.partition(".")[0]
    if not account:
        raise _lacking("AccountName")
    if not (key or signature):
        raise _lacking("AccountKey or SharedAccessSignature")
    found: AzureConfig = {"account_name": account}
    if endpoint:
        found["endpoint"] = endpoint
    if key:
        found["account_key"] = key
    elif signature:
        found["sas_key"] = signature.removeprefix("?")
    return found


def _endpoint(known: dict[str, str]) -> str:
    """Return where blobs are; empty for Azure's own place."""
    suffix, account = known.get("endpointsuffix", _PUBLIC), known.get("accountname")
    if "blobendpoint" in known or suffix == _PUBLIC or not account:
        return known.get("blobendpoint", "").rstrip("/")
    return f"{known.get('defaultendpointsprotocol', 'https')}://{account}.blob.{suffix}"


def _lacking(what: str) -> OptionError:
    return OptionError(f"{_CONNECTION} has no {what}: copy it again, whole")
