"""A bucket on a server of this machine, filled for a benchmark; needs the tests' servers.

Run what imports it with `PYTHONPATH=tests`, as `make soak` does.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cluster.servers import MOTO, started
from pixmill.address import Access, Address
from pixmill.storage.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster.servers import Server

__all__ = ["Bucket", "filled_bucket"]

_THREADS: Final = 16
_FOLDER_OBJECTS: Final = 100


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects are, and where results may go.

    Attributes:
        source: The objects.
        destination: An empty prefix.
        server: Holds both.
    """

    source: str
    destination: str
    server: Server

    def fetched(self, folder: Path) -> Path:
        """Bring every result into a folder."""
        store = ObjectStore.opened(Address.parsed(self.destination), Access())
        for page in store.listed():
            for facts in page:
                path = folder / facts.key
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as stream:
                    store.fetch(facts.key, stream.fileno(), expected=facts)
        return folder

    @contextmanager
    def behind(self, port: int) -> Iterator[None]:
        """Have this process's environment know the server by another port."""
        os.environ.update(self.server.environ(port))
        try:
            yield
        finally:
            os.environ.update(self.server.environ())


@contextmanager
def filled_bucket(folder: Path, count: int, images: list[tuple[str, bytes]]) -> Iterator[Bucket]:
    """Start a server, put so many objects, and have this process's environment know it.

    Args:
        folder: Where the server keeps what it says.
        count: How many objects.
        images: Suffix and content of each in turn.
    """
    with started(MOTO, folder) as server:
        assert not isinstance(server, str), server
        os.environ.update(server.environ())
        bucket = Bucket(server.address("in"), server.address("out"), server)
        store = ObjectStore.opened(Address.parsed(bucket.source), Access())

        def put(number: int) -> None:
            kind, content = images[number % len(images)]
            store.put(f"{number // _FOLDER_OBJECTS:05}/{number:06}.{kind}", content)

        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(put, range(count)):
                pass
        yield bucket
