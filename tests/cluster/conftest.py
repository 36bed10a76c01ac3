"""Servers that are started once a session, where a test asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.servers import AZURITE, GCS, MOTO, RCLONE, Kind, Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator


def _serving(kind: Kind, factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(kind, factory.mktemp(kind.name)) as server:
        if isinstance(server, str):
            pytest.skip(server)
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return S3 as moto plays it."""
    yield from _serving(MOTO, tmp_path_factory)


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return S3 as rclone serves it."""
    yield from _serving(RCLONE, tmp_path_factory)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return Azure's blobs as azurite plays them."""
    yield from _serving(AZURITE, tmp_path_factory)


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return Google's store as far as moto plays it: by what it has in common with S3."""
    yield from _serving(GCS, tmp_path_factory)
