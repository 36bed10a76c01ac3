"""Fail at every file, and say which of the variables in question are in the environment."""

from __future__ import annotations

import os

from faults.plugin import faulty
from pixmill.model import Failed, FailureKind, Stage

__all__ = ["VARIABLES", "mill"]

VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
    *("GOOGLE_BEARER_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY", "PIXMILL_TEST_VARIABLE"),
)


def _know(_source: str) -> Failed:
    known = [name for name in VARIABLES if name in os.environ]
    return Failed(FailureKind.IO, Stage.READ, f"knows {' '.join(known)}")


mill = faulty(_know)
