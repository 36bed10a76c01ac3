"""From report documents back to summaries, and from the summaries of shards to one of them all.

Pure. A document may come from anywhere: whatever is no report is refused, and says where. Must not
read files: a caller parses the JSON.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

from pixmill.errors import OptionError
from pixmill.events import SCHEMA_VERSION
from pixmill.model import Stage
from pixmill.reporting import Failure, FormatCount, Ranked, RunFacts, Summary
from pixmill.sharding import Shard, parse_shard
from pixmill.stats import MAX_FAILURES, RANKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pixmill.events import Json

__all__ = ["missing", "parsed", "united"]

_MAX_NUMBER: Final = 1 << 63
_TENTHS: Final = 10

Value = TypeVar("Value")


def parsed(document: Json) -> Summary:
    """Return the summary that a document was made of, but for what it has rounded.

    Raises:
        OptionError: It is no report, or one of a schema that this pixmill does not know.
    """
    table = _Table.of(document, "the report")
    if table.number("schema") != SCHEMA_VERSION:
        raise OptionError(
            f"expected a report of schema {SCHEMA_VERSION}, got {table.number('schema')}: "
            f"use the pixmill that wrote it"
        )
    totals, size, seconds = table.table("totals"), table.table("bytes"), table.table("seconds")
    return Summary(
        walked=totals.number("walked"),
        optimized=totals.number("optimized"),
        kept=totals.number("kept"),
        skipped=totals.number("skipped"),
        failed=totals.number("failed"),
        bytes_read=size.number("read"),
        bytes_written=size.number("written"),
        wall_s=seconds.real("wall"),
        cpu_s=seconds.real("cpu"),
        peak_memory_bytes=table.number("peak_memory_bytes"),
        encodes=table.number("encodes"),
        scores={_tenths(score): count for score, count in table.counts("scores").items()},
        pixels_written=table.number("pixels_written"),
        is_interrupted=table.flag("interrupted"),
        fatal=table.text("fatal"),
        skips=table.counts("skips"),
        formats={name: _format(each) for name, each in table.table("formats").tables()},
        failures=tuple(map(_failure, table.rows("failures"))),
        slowest=tuple(map(_ranked, table.rows("slowest"))),
        largest=tuple(map(_ranked, table.rows("largest"))),
        facts=_facts(table.table("run")),
    )


def united(summaries: Sequence[Summary]) -> Summary:
    """Return the summary of a run that some shards made together, side by side.

    It took as long as the longest of them and the CPU time and workers of all. A folder that could
    not be listed was told by each, and counts once.

    Raises:
        OptionError: They are not of one division, or one shard is there twice.
    """
    shards = [_shard_of(each) for each in summaries]
    if not shards:
        raise OptionError("expected the reports of shards, got none")
    if len({shard.count for shard in shards}) > 1:
        counts = ", ".join(str(count) for count in sorted({shard.count for shard in shards}))
        raise OptionError(f"expected the reports of one division, got shards of {counts}")
    twice = [str(shard) for shard, count in Counter(shards).items() if count > 1]
    if twice:
        raise OptionError(f"expected one report a shard, got several of {', '.join(twice)}")
    ordered = [each for _, each in sorted(zip(shards, summaries, strict=True), key=_by_shard)]
    failures, repeated = _failures(ordered)
    return Summary(
        walked=sum(each.walked for each in ordered) - repeated,
        optimized=sum(each.optimized for each in ordered),
        kept=sum(each.kept for each in ordered),
        skipped=sum(each.skipped for each in ordered),
        failed=sum(each.failed for each in ordered) - repeated,
        bytes_read=sum(each.bytes_read for each in ordered),
        bytes_written=sum(each.bytes_written for each in ordered),
        wall_s=max(each.wall_s for each in ordered),
        cpu_s=math.fsum(each.cpu_s for each in ordered),
        peak_memory_bytes=max(each.peak_memory_bytes for each in ordered),
        encodes=sum(each.encodes for each in ordered),
        scores=_summed(each.scores for each in ordered),
        pixels_written=sum(each.pixels_written for each in ordered),
        is_interrupted=any(each.is_interrupted for each in ordered),
        fatal="; ".join(f"shard {e.facts.shard}: {e.fatal}" for e in ordered if e.fatal),
        skips=_summed(each.skips for each in ordered),
        formats=_formats(ordered),
        failures=failures,
        slowest=_top(chain.from_iterable(each.slowest for each in ordered), "seconds"),
        largest=_top(chain.from_iterable(each.largest for each in ordered), "bytes_read"),
        facts=_united_facts(ordered),
    )


def missing(shards: Iterable[Shard]) -> tuple[Shard, ...]:
    """Return the shards that lack in a division of which these are there."""
    there = set(shards)
    count = max((shard.count for shard in there), default=0)
    return tuple(shard for at in range(count) if (shard := Shard(at, count)) not in there)


@dataclass(frozen=True, slots=True)
class _Table:
    """An object of a document, whose values are asked for by type; no key stands for none."""

    values: Mapping[str, Json]
    place: str

    @classmethod
    def of(cls, value: Json, place: str) -> _Table:
        if not isinstance(value, dict):
            raise OptionError(f"expected an object at {place}, got {_shown(value)}")
        return cls(value, place)

    def number(self, key: str) -> int:
        value = self.values.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
            raise self._unlike("a count", key)
        return value

    def real(self, key: str) -> float:
        value = self.values.get(key, 0.0)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._unlike("a number", key)
        if not 0 <= value < _MAX_NUMBER:
            raise self._unlike("a number", key)
        return float(value)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._unlike("a text", key)
        return value or ""

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self._unlike("true or false", key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._unlike("a list of texts", key)
        return tuple(str(each) for each in value)

    def table(self, key: str) -> _Table:
        return self.of(self.values.get(key, {}), f"{key} of {self.place}")

    def tables(self) -> Iterable[tuple[str, _Table]]:
        return [(key, self.table(key)) for key in self.values]

    def rows(self, key: str) -> list[_Table]:
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self._unlike("a list", key)
        return [self.of(each, f"{key} of {self.place}") for each in value]

    def counts(self, key: str) -> dict[str, int]:
        table = self.table(key)
        return {name: table.number(name) for name in table.values}

    def _unlike(self, expected: str, key: str) -> OptionError:
        found = _shown(self.values.get(key))
        return OptionError(f"expected {expected} as {key} of {self.place}, got {found}")


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - what a line bears


def _tenths(text: str) -> int:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 100:  # noqa: PLR2004 - the scale of scores
        raise OptionError(f"expected a score from 0 to 100 in the report, got {_shown(text)}")
    return round(score * _TENTHS)


def _format(table: _Table) -> FormatCount:
    return FormatCount(
        table.number("files"), table.number("bytes_read"), table.number("bytes_written")
    )


def _failure(table: _Table) -> Failure:
    return Failure(
        path=table.text("path"),
        kind=table.text("kind"),
        stage=table.text("stage"),
        message=table.text("message"),
        attempts=table.number("attempts"),
    )


def _ranked(table: _Table) -> Ranked:
    return Ranked(table.text("path"), table.real("seconds"), table.number("bytes_read"))


def _facts(table: _Table) -> RunFacts:
    return RunFacts(
        source=table.text("source"),
        destination=table.text("destination"),
        recipe=dict(table.table("recipe").values),  # type: ignore[arg-type]  # shown, never used
        fingerprint=table.text("fingerprint"),
        workers=table.number("workers"),
        memory_bytes=table.number("memory_bytes"),
        lease_bytes=table.number("lease_bytes"),
        is_dry_run=table.flag("dry_run"),
        warnings=table.texts("warnings"),
        is_in_place=table.flag("in_place"),
        backup=table.text("backup"),
        shard=table.text("shard"),
    )


def _shard_of(summary: Summary) -> Shard:
    if not summary.facts.shard:
        raise OptionError("expected the reports of shards, got one of a run over everything")
    return parse_shard(summary.facts.shard)


def _by_shard(pair: tuple[Shard, Summary]) -> int:
    return pair[0].index


def _failures(summaries: Sequence[Summary]) -> tuple[tuple[Failure, ...], int]:
    """Return what failed, without what is told again, and how much that was."""
    kept: list[Failure] = []
    unlisted: set[str] = set()
    repeated = 0
    for failure in chain.from_iterable(each.failures for each in summaries):
        if failure.stage == Stage.WALK and failure.path in unlisted:
            repeated += 1
            continue
        if failure.stage == Stage.WALK:
            unlisted.add(failure.path)
        if len(kept) < MAX_FAILURES:
            kept.append(failure)
    return tuple(kept), repeated


def _summed(counts: Iterable[Mapping[Value, int]]) -> dict[Value, int]:
    total: Counter[Value] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _formats(summaries: Sequence[Summary]) -> dict[str, FormatCount]:
    found: dict[str, FormatCount] = {}
    for summary in summaries:
        for name, count in summary.formats.items():
            before = found.get(name, FormatCount(0, 0, 0))
            found[name] = FormatCount(
                before.files + count.files,
                before.bytes_read + count.bytes_read,
                before.bytes_written + count.bytes_written,
            )
    return found


def _top(ranked: Iterable[Ranked], by: str) -> tuple[Ranked, ...]:
    return tuple(heapq.nlargest(RANKED, ranked, key=attrgetter(by)))


def _united_facts(summaries: Sequence[Summary]) -> RunFacts:
    facts = [each.facts for each in summaries]
    warnings = dict.fromkeys(chain.from_iterable(each.warnings for each in facts))
    if lacking := missing(map(_shard_of, summaries)):
        named = ", ".join(map(str, lacking[:RANKED]))
        more = f" and {len(lacking) - RANKED} more" if len(lacking) > RANKED else ""
        warnings[f"what these shards did is not in it: {named}{more}"] = None
    if len({each.fingerprint for each in facts}) > 1:
        warnings["its shards were made under different recipes"] = None
    if len({each.lease_bytes for each in facts}) > 1:
        warnings["its shards had different --memory, which decides how large images are made"] = (
            None
        )
    return replace(
        facts[0],
        workers=sum(each.workers for each in facts),
        memory_bytes=sum(each.memory_bytes for each in facts),
        warnings=tuple(warnings),
        shard="",
    )
