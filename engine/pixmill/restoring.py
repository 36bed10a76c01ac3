"""Originals of runs in place: bringing them back, and what a run that was cut off left in doubt.

Works on the journal and on files, in the caller's process; loads no codec.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.journal.division import Division
from pixmill.journal.joining import joined
from pixmill.journal.lock import Lock
from pixmill.journal.originals import Replaced
from pixmill.journal.store import opened
from pixmill.model import Status
from pixmill.storage.folders import Root, lstat
from pixmill.storage.originals import digest_at, remove_backup, restore, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pixmill.journal.joining import Noted
    from pixmill.journal.originals import Doubt, Originals
    from pixmill.journal.place import Place
    from pixmill.model import Outcome
    from pixmill.sharding import Shard

__all__ = ["Undoing", "Undone", "rejoined", "settle_doubts", "settled", "undone"]

_BATCH_FILES = 256


class Undoing(StrEnum):
    """What became of one replaced file when its original was asked for."""

    RESTORED = "restored"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Undone:
    """One file that had been replaced.

    Attributes:
        path: Its name, relative to the root.
        ending: What became of it.
        message: Why it was refused, or empty.
    """

    path: str
    ending: Undoing
    message: str = ""


def rejoined(place: Place, root: str, hands: Callable[[Path], Noted]) -> tuple[Shard, ...]:
    """Have all that is known of an output in one journal, with no original in doubt.

    To be called by who has the output to himself.

    Args:
        place: The state of the whole output.
        root: Absolute path that files are relative to.
        hands: Returns the notes whose files have a prefix; see `joined`.

    Returns:
        The shards whose journals were joined.

    Raises:
        RunError: A journal cannot be opened, read or written.
    """
    shards = joined(place, hands)
    if place.journal.exists():
        journal = opened(place.journal, lambda _folders: None)
        try:
            settle_doubts(journal.originals, root)
        finally:
            journal.close(None)
    return shards


def settle_doubts(originals: Originals, root: str) -> None:
    """Note which files a run had replaced when it was cut off before it could note that itself.

    Such a file is smaller than it was met, with its time; results keep the time of their source.

    Args:
        originals: The journal's part.
        root: Absolute path that files are relative to.
    """
    for doubt in originals.doubts():
        replaced = _as_replaced(doubt, root)
        if replaced is not None:
            originals.settle(replaced)


def settled(originals: Originals, root: str, outcome: Outcome) -> Outcome:
    """Return how a file in place really ended whose worker died, or failed, around its replacing.

    Args:
        originals: The journal's part, which knows that the file was begun.
        root: Absolute path that files are relative to.
        outcome: How it seems to have ended.
    """
    if outcome.failure is None:
        return outcome
    try:
        doubt = originals.doubt_of(outcome.path)
    except RunError:  # the journal's next commit tells; this file must be counted all the same
        return outcome
    replaced = None if doubt is None else _as_replaced(doubt, root)
    if replaced is None:
        return outcome
    return replace(
        outcome,
        status=Status.OPTIMIZED,
        failure=None,
        bytes_read=replaced.size_bytes,
        mtime_ns=replaced.mtime_ns,
        destination=replaced.path,
        bytes_written=replaced.written_bytes,
        target=outcome.codec,
        digest=replaced.digest,
        written_digest=replaced.written_digest,
        backup=replaced.backup,
        notes=(*outcome.notes, "its worker ended just after it had replaced it"),
    )


def undone(  # noqa: PLR0913 - as `api.undo`
    place: Place,
    root: str,
    *,
    only: str,
    run: int | None,
    backup: str | None,
    is_dry_run: bool,
    hands: Callable[[Path], Noted],
) -> Iterator[Undone]:
    """Bring originals back, and tell of each file that was replaced.

    A file that was written to after pixmill is left as it is, and so is one whose backup is not
    what was kept. What was replaced several times gets its first original back.

    Args:
        place: Where the state of the output is.
        root: Absolute path that files are relative to.
        only: Relative path of the one file to bring back, empty for all.
        run: The only run to undo. Default: all.
        backup: Absolute path where the folder of backups is now. Default: where it was.
        is_dry_run: Whether nothing is changed.
        hands: As for `rejoined`.

    Raises:
        RunError: A run works on this output, or the journal cannot be opened.
    """
    lock, division = Lock(place.lock), Division(place)
    lock.take()
    try:
        division.take()
        joined(place, hands)
        journal = opened(place.journal, lambda _folders: None)
        try:
            settle_doubts(journal.originals, root)
            chains = (
                chain for chain in journal.originals.replaced() if only in {"", chain[0].path}
            )
            undoing = _Undo(root, run, backup, is_dry_run=is_dry_run)
            yield from undoing.of(chains, journal.originals.forget)
        finally:
            journal.close(None)
    finally:
        lock.release()
        division.release()


@dataclass(frozen=True, slots=True)
class _Undo:
    root: str
    run: int | None
    backup: str | None
    is_dry_run: bool

    def of(
        self, chains: Iterator[list[Replaced]], forget: Callable[[list[Replaced]], None]
    ) -> Iterator[Undone]:
        """Undo file by file; what is undone is forgotten in batches."""
        batch: list[Replaced] = []
        try:
            for chain in chains:
                if not (history := self._chosen(chain)):
                    continue
                result = self._judged(chain, history)
                if result.ending is not Undoing.REFUSED and not self.is_dry_run:
                    result = self._carried_out(history, result)
                    batch += history if result.ending is not Undoing.REFUSED else []
                if len(batch) >= _BATCH_FILES:
                    forget(batch)
                    batch = []
                yield result
        finally:
            forget(batch)

    def _chosen(self, chain: Sequence[Replaced]) -> Sequence[Replaced]:
        """Return the replacements that are undone, the oldest first.

        Without a run: back to where somebody else last wrote to the file, which made it an
        original again.
        """
        if self.run is not None:
            return [each for each in chain if each.run == self.run]
        first = len(chain) - 1
        while first and chain[first - 1].written_digest == chain[first].digest:
            first -= 1
        return chain[first:]

    def _judged(self, chain: Sequence[Replaced], history: Sequence[Replaced]) -> Undone:
        """Tell what is to become of a file, without changing anything."""
        first, last = history[0], history[-1]
        refusal = ""
        found = _digest(f"{self.root}/{first.path}")
        if last.run != chain[-1].run:
            refusal = f"run {chain[-1].run} replaced it again: undo that one first"
        elif found == first.digest:
            return Undone(first.path, Undoing.ALREADY)
        elif not first.backup:
            refusal = "its original was not kept"
        elif found not in {"", last.written_digest}:
            kept = self._kept(first)
            refusal = f"it was written to after pixmill had replaced it; its original is {kept}"
        elif _digest(self._kept(first)) != first.digest:
            refusal = f"{self._kept(first)} is not what was kept: is it elsewhere? use --backup"
        ending = Undoing.REFUSED if refusal else Undoing.RESTORED
        return Undone(first.path, ending, refusal)

    def _carried_out(self, history: Sequence[Replaced], result: Undone) -> Undone:
        """Restore the first original, and remove what was kept of it and of results in between.

        What somebody has put among the backups since is left there.
        """
        first, root = history[0], Root(self.root)
        try:
            if result.ending is Undoing.RESTORED:
                restore(self._vault(first), first.backup, root, first.path)
            else:
                settle(root, first.path)  # an undo that was cut off may have brought it back
            for each in history:
                if each.backup and _digest(self._kept(each)) in {"", each.digest}:
                    remove_backup(self._vault(each), each.backup)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            message = f"{why}; its original is {self._kept(first)}"
            return Undone(result.path, Undoing.REFUSED, message)
        return result

    def _vault(self, replaced: Replaced) -> Root:
        return Root(self.backup or replaced.backup_root)

    def _kept(self, replaced: Replaced) -> str:
        return os.path.join(self.backup or replaced.backup_root, replaced.backup)


def _as_replaced(doubt: Doubt, root: str) -> Replaced | None:
    """Return what a run had done to a file in doubt, or nothing where it had not come to it."""
    path, kept = f"{root}/{doubt.path}", f"{doubt.backup_root}/{doubt.backup}"
    try:
        status = lstat(path)
        if status.st_size >= doubt.size_bytes or status.st_mtime_ns != doubt.mtime_ns:
            return None
        return Replaced(
            path=doubt.path,
            run=doubt.run,
            backup_root=doubt.backup_root,
            backup=doubt.backup,
            size_bytes=doubt.size_bytes,
            mtime_ns=doubt.mtime_ns,
            digest=digest_at(kept) if doubt.backup else "",
            written_bytes=status.st_size,
            written_digest=digest_at(path),
        )
    except OSError:  # gone, or its backup is: nothing that could be told of it
        return None


def _digest(path: str) -> str:
    """Return the digest of a file, empty where there is none to read."""
    try:
        return digest_at(path)
    except OSError:
        return ""
