"""What is under way on a cluster: chunks of jobs, the copies of each, and what became of them.

Pure: told what copies say and how they end, it answers with what is to be ordered, recalled and
reported. What it promises, and `tests/test_chunks.py` checks:

- each job is reported once, in the order in which the dispatcher gave them;
- a copy that breaks costs its jobs a retry: all at once where its node was lost, else by halves
  until one is alone and to blame, so that even what takes its whole node down comes to an end;
- one that was killed for want of memory is made elsewhere, or once there may be some again; a job
  is to blame for that only once it was killed again and again with nothing of the run beside it;
- one whose node a store does not answer is made elsewhere; where it answers no node, the run ends;
- a copy that falls silent, or is the last and takes too long, is given a spare; the first result
  counts, and no failure of a copy does while another is at work; what is silent is to be ended,
  since it may hold the only CPU that the spare could have;
- what was ordered before may have been published, so it may be replaced by what is made again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pixmill.executors.orders import Breakage, Fell, Order, Quit, Recall, Watch
from pixmill.executors.outages import Outages
from pixmill.executors.parts import Chunk, Copy, Part
from pixmill.executors.roster import Roster
from pixmill.model import FailureKind
from pixmill.protocol import CostKnown, JobEnded, Remark, WorkerLost
from pixmill.verdicts import failed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.executors.base import Report
    from pixmill.executors.orders import Answer
    from pixmill.model import Job

__all__ = ["Chunks"]

_NODE_LOSSES: Final = 2
"""Losses of a node that no job of its chunk is suspected for; a third may be its own doing."""
_LONELY_KILLS: Final = 2
"""Kills for want of memory of a job beside which nothing is at work, until it is to blame. Any may
be owed to what is no part of the run; with those before and the waits between, two take 7 s."""
_DURATIONS: Final = 1000


@dataclass(slots=True)
class Chunks:
    """The chunks of a run.

    Args:
        slots: How many there may be at a time.
        share_bytes: What a job may hold before more is set aside for it alone.
        watch: When a copy is given a spare.
        nodes: The nodes that are known at first.
    """

    slots: int
    share_bytes: int
    watch: Watch = field(default_factory=Watch)
    nodes: tuple[str, ...] = ()
    _chunks: dict[int, Chunk] = field(default_factory=dict)
    _slot_of: dict[int, int] = field(default_factory=dict)
    _ordered: set[int] = field(default_factory=set)
    _lonely: set[int] = field(default_factory=set)
    _durations_s: deque[float] = field(default_factory=lambda: deque(maxlen=_DURATIONS))
    _copies: int = 0
    _has_begun: bool = False
    _has_been_silent: bool = False
    _first_s: float | None = None
    _roster: Roster = field(init=False)
    _outages: Outages = field(default_factory=Outages)
    _now_s: float = 0.0
    _out: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Know the nodes."""
        self._roster = Roster(self.nodes, self.watch)

    def begin(self, slot: int, jobs: tuple[Job, ...], now_s: float) -> list[Answer]:
        """Take in what a slot was sent."""
        self._turn(now_s)
        part = Part(OrderedDict((job.number, job) for job in jobs), self.share_bytes)
        self._chunks[slot] = Chunk(slot, deque([part]))
        self._order(self._chunks[slot])
        return self._out

    def drop(self, slot: int) -> list[Answer]:
        """Forget what a slot was sent."""
        self._turn(self._now_s)
        if (chunk := self._chunks.get(slot)) is not None:
            self._dissolve(chunk)
        return self._out

    def hear(
        self, copy: int, reports: Iterable[Report], now_s: float, node: str = ""
    ) -> list[Answer]:
        """Take in what a copy says, in order; of one that was recalled nothing counts.

        Args:
            copy: Which.
            reports: What it says; nothing with its first word, and whenever there is none.
            now_s: When.
            node: Where it is made, with its first word.
        """
        self._turn(now_s)
        self._mark(copy, node)
        for report in reports:
            if copy in self._slot_of:
                self._hear(self._chunks[self._slot_of[copy]], copy, report)
        return self._out

    def _mark(self, copy: int, node: str) -> None:
        """Note that a copy, and so its node, lives."""
        if copy in self._slot_of:
            known = self._chunks[self._slot_of[copy]].copies[copy]
            known.word_s, known.has_begun, known.node = self._now_s, True, node or known.node
            self._has_begun = True
            if known.node:
                self._roster.heard(known.node, self._now_s)

    def over(self, copy: int, now_s: float) -> list[Answer]:
        """Take in that a copy is done, and order again what it leaves."""
        self._turn(now_s)
        if (chunk := self._left_by(copy)) is not None:
            self._order(chunk)
        return self._out

    def broken(self, copy: int, by: Breakage, reason: str, now_s: float) -> list[Answer]:
        """Take in that a copy was lost with whoever made it."""
        self._turn(now_s)
        if copy not in self._slot_of:
            return self._out
        known = self._chunks[self._slot_of[copy]].copies[copy]
        by = Breakage.NODE if known.is_felled else by
        if by is Breakage.MEMORY:
            self._roster.starved(known.node, now_s)
        if by is Breakage.STORE and self._roster.cut_off(known.node, now_s):
            self._out.append(Quit(reason))
            return self._out
        if (chunk := self._left_by(copy)) is None:
            return self._out
        part = chunk.parts[0]
        if by is Breakage.STORE:
            self._remark(chunk, "are made elsewhere: a store does not answer their node")
            self._order(chunk)
        elif by is Breakage.NODE and part.node_losses < _NODE_LOSSES:
            part.node_losses += 1
            self._remark(chunk, f"are made again after {reason}")
            self._order(chunk)
        elif len(part.jobs) > 1:
            self._remark(chunk, f"are made again, by halves, after {reason}")
            chunk.halve()
            self._order(chunk)
        elif by is Breakage.MEMORY:
            self._starve(chunk, copy, reason)
        else:
            (number,) = part.jobs
            self._dissolve(chunk)
            self._out.append(WorkerLost(chunk.slot, number, reason))
        return self._out

    def _starve(self, chunk: Chunk, copy: int, reason: str) -> None:
        """Have a job made with nothing beside it, or blame it where it was and was killed again.

        Ray kills whoever was started last: what has eaten may be any other on that node.
        """
        part = chunk.parts[0]
        part.kills += 1
        if part.kills <= _LONELY_KILLS:
            self._lonely.update(part.jobs)
            self._remark(chunk, f"is made again, with nothing beside it, after {reason}")
            self._order(chunk)
        else:
            (job,) = part.jobs.values()
            message = f"its worker died {part.kills} times, by {reason}"
            outcome = failed(job, FailureKind.CRASHED, message)
            self._ended(chunk, copy, JobEnded(chunk.slot, job.number, outcome))

    def look(self, now_s: float) -> list[Answer]:
        """Give spares to what is silent, and to the last that take too long."""
        self._turn(now_s)
        self._remark_standstill()
        for chunk in self._chunks.values():
            if not chunk.copies:
                if self._has_turn(chunk):
                    self._send(chunk)
            elif self._is_silent(chunk):
                self._has_been_silent = True
                self._remark(chunk, "are made elsewhere too: their node is silent")
                self._roster.avoid([copy.node for copy in chunk.copies.values()], now_s)
                self._fell(chunk)
                self._send(chunk)
            elif self._is_forgotten(chunk):
                since_s = now_s - self._quiet_s(chunk)
                self._roster.avoid(self._roster.unheard_since(since_s), now_s)
                self._remark(chunk, "are made elsewhere too: no node takes them up")
                self._send(chunk)
            elif self._is_old(chunk):
                self._remark(chunk, "are made elsewhere too: they are the last, and take long")
                self._send(chunk)
        return self._out

    def _fell(self, chunk: Chunk) -> None:
        for copy, known in chunk.copies.items():
            if known.has_begun:
                known.is_felled = True
                self._out.append(Fell(copy))

    def _remark(self, chunk: Chunk, text: str) -> None:
        count = len(chunk.parts[0].jobs)
        files = "1 file" if count == 1 else f"{count} files"
        self._out.append(Remark(f"{files} {text}", chunk.slot))

    def _remark_standstill(self) -> None:
        """Say once that nobody takes up any work, which Ray itself never says."""
        if self._has_begun or self._first_s is None:
            return
        if self._now_s - self._first_s > self.watch.unbegun_s:
            self._has_begun = True
            text = "no node has taken up any work yet: `ray status` says what the cluster waits for"
            self._out.append(Remark(text))

    def _turn(self, now_s: float) -> None:
        self._now_s, self._out = now_s, []

    def _hear(self, chunk: Chunk, copy: int, report: Report) -> None:
        match report:
            case JobEnded():
                self._ended(chunk, copy, report)
            case CostKnown():
                if self._left_by(copy) is chunk:
                    chunk.set_apart(report)
                    self._order(chunk)
            case WorkerLost():
                if self._left_by(copy) is chunk:
                    if chunk.parts[0].orders == 1:  # then nobody else can have published any
                        self._ordered.difference_update(chunk.parts[0].jobs)
                    self._dissolve(chunk)
                    self._out.append(replace(report, slot=chunk.slot))
            case Remark():
                if self._outages.is_news(copy, report):
                    self._out.append(report)
            case _:
                self._out.append(replace(report, slot=chunk.slot))

    def _ended(self, chunk: Chunk, copy: int, report: JobEnded) -> None:
        self._roster.fed()
        part, failure = chunk.parts[0], report.outcome.failure
        is_of_twin = failure is not None and failure.kind is FailureKind.EXISTS
        if is_of_twin and chunk.copies[copy].is_first and part.orders > 1:
            return  # what stands there is what another copy has published
        if report.number in part.jobs:
            chunk.ended.setdefault(report.number, replace(report, slot=chunk.slot))
        while part.jobs and (first := next(iter(part.jobs))) in chunk.ended:
            del part.jobs[first]
            self._ordered.discard(first)
            self._lonely.discard(first)
            self._out.append(chunk.ended.pop(first))
        if not part.jobs:
            self._left_by(copy)  # it ends by itself
            self._part_made(chunk)

    def _part_made(self, chunk: Chunk) -> None:
        self._durations_s.append(self._now_s - chunk.parts.popleft().since_s)
        self._recall(chunk)
        if chunk.parts:
            self._order(chunk)
        else:
            del self._chunks[chunk.slot]

    def _left_by(self, copy: int) -> Chunk | None:
        """Strike out a copy that has ended; return its chunk where nobody else makes it."""
        self._outages.ended(copy)
        slot = self._slot_of.pop(copy, None)
        if slot is None:
            return None
        chunk = self._chunks[slot]
        del chunk.copies[copy]
        return None if chunk.copies else chunk

    def _order(self, chunk: Chunk) -> None:
        """Order what a chunk has left, now or once a node may have memory for it."""
        chunk.due_s = self._roster.due_s(self._now_s)
        if self._has_turn(chunk):
            self._send(chunk)

    def _has_turn(self, chunk: Chunk) -> bool:
        """Whether nothing is to be awaited before it: neither memory, nor who is made alone."""
        if self._now_s < chunk.due_s:
            return False
        is_lonely = not self._lonely.isdisjoint(chunk.parts[0].jobs)
        return not (self._slot_of if is_lonely else self._lonely)

    def _send(self, chunk: Chunk) -> None:
        part = chunk.parts[0]
        jobs = [job for number, job in part.jobs.items() if number not in chunk.ended]
        is_first = self._ordered.isdisjoint(part.jobs)
        part.since_s = part.since_s if part.orders else self._now_s
        part.orders += 1
        self._first_s = self._now_s if self._first_s is None else self._first_s
        self._copies += 1
        again = tuple(map(self._again, jobs))
        makers = {copy.node for copy in chunk.copies.values()}
        shunned = self._roster.shunned(makers, self._now_s)
        self._out.append(Order(self._copies, again, part.grant_bytes, shunned))
        chunk.copies[self._copies] = Copy(self._now_s, is_first)
        self._slot_of[self._copies] = chunk.slot
        self._ordered.update(part.jobs)

    def _again(self, job: Job) -> Job:
        return replace(job, can_replace=True) if job.number in self._ordered else job

    def _dissolve(self, chunk: Chunk) -> None:
        self._recall(chunk)
        self._lonely.difference_update(chunk.parts[0].jobs)
        del self._chunks[chunk.slot]

    def _recall(self, chunk: Chunk) -> None:
        for copy in chunk.copies:
            del self._slot_of[copy]
            self._outages.ended(copy)
            self._out.append(Recall(copy))
        chunk.copies.clear()

    def _is_silent(self, chunk: Chunk) -> bool:
        is_full = len(chunk.copies) >= self.watch.copies
        return not is_full and chunk.has_begun and self._quiet_s(chunk) > self.watch.silence_s

    def _is_forgotten(self, chunk: Chunk) -> bool:
        """Whether it waits for a node that may be gone, while others get their turn."""
        if chunk.has_begun or not self._durations_s or len(chunk.copies) >= self.watch.copies:
            return False
        watch = self.watch
        return self._quiet_s(chunk) > (
            watch.silence_s if self._has_been_silent else watch.unbegun_s
        )

    def _is_old(self, chunk: Chunk) -> bool:
        """Whether it keeps a run waiting that has slots with nothing to do."""
        is_last = len(self._chunks) < self.slots and len(chunk.copies) == 1
        age_s = self._now_s - chunk.parts[0].since_s
        if not (is_last and chunk.has_begun) or age_s <= self.watch.age_s:
            return False
        known_s = sorted(self._durations_s)
        return not known_s or age_s > self.watch.age_factor * known_s[len(known_s) * 99 // 100]

    def _quiet_s(self, chunk: Chunk) -> float:
        return self._now_s - max(copy.word_s for copy in chunk.copies.values())
