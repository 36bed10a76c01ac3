"""What happened, as JSON: the lines of `--events` and the document of `--json` and `--report`.

Pure. Versioned: `SCHEMA_VERSION` grows when a key changes its meaning or goes; new keys may come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from pixmill.registry import codec

if TYPE_CHECKING:
    from pixmill.model import Failed, Outcome, Output
    from pixmill.reporting import Progress, RunFacts, Summary

__all__ = [
    "SCHEMA_VERSION",
    "Json",
    "file_event",
    "line",
    "notice_event",
    "progress_event",
    "run_event",
    "summary_document",
    "summary_event",
]

SCHEMA_VERSION: Final = 1

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


def line(event: Mapping[str, Json]) -> str:
    r"""Return one event as one line of ASCII, newline included.

    A path that is no UTF-8 survives: its undecodable bytes are lone surrogates, `\udc80` to
    `\udcff`, as Python's `surrogateescape` makes them.
    """
    return json.dumps(event, ensure_ascii=True, separators=(",", ":")) + "\n"


def run_event(facts: RunFacts) -> dict[str, Json]:
    """Return the first event of a run: what is fixed for all of it."""
    return {"type": "run", "schema": SCHEMA_VERSION, **_facts(facts)}


def file_event(outcome: Outcome) -> dict[str, Json]:
    """Return the event of one file that has ended, in whichever way."""
    return {
        "type": "file",
        "path": outcome.path,
        "outcome": str(outcome.status),
        "destination": outcome.destination,
        "bytes_read": outcome.bytes_read,
        "bytes_written": outcome.bytes_written,
        "quality": outcome.quality,
        "score": outcome.score,
        "attempts": outcome.attempts,
        "encodes": outcome.encodes,
        "reason": None if outcome.reason is None else str(outcome.reason),
        "failure": None if outcome.failure is None else _failed(outcome.failure),
        "format": outcome.codec or None,
        "target": outcome.target or None,
        "width": outcome.width_px or None,
        "height": outcome.height_px or None,
        "seconds": {"wall": round(outcome.wall_s, 4), "cpu": round(outcome.cpu_s, 4)},
        "salvaged": outcome.is_salvaged,
        "sha256": outcome.digest or None,
        "backup": outcome.backup or None,
        "notes": list(outcome.notes),
        "outputs": [_output(each) for each in outcome.outputs],
    }


def progress_event(progress: Progress) -> dict[str, Json]:
    """Return the event that says where a run stands."""
    return {
        "type": "progress",
        "optimized": progress.optimized,
        "kept": progress.kept,
        "skipped": progress.skipped,
        "failed": progress.failed,
        "in_hand": progress.in_hand,
        "found": progress.files_found,
        "scanning": progress.is_scanning,
        "bytes_read": progress.bytes_read,
        "bytes_saved": progress.bytes_saved,
        "files_per_second": round(progress.files_per_s, 2),
        "bytes_per_second": round(progress.bytes_per_s),
        "fraction": progress.done_fraction,
        "eta_seconds": progress.eta_s,
        "elapsed_seconds": round(progress.elapsed_s, 3),
        "memory_bytes": progress.memory_bytes,
        "under_way": [{"path": one.path, "fraction": one.fraction} for one in progress.under_way],
    }


def notice_event(message: str) -> dict[str, Json]:
    """Return the event of something that is no file's outcome."""
    return {"type": "notice", "message": message}


def summary_event(summary: Summary) -> dict[str, Json]:
    """Return the last event of a run: the whole summary document."""
    return {"type": "summary", **summary_document(summary)}


def summary_document(summary: Summary) -> dict[str, Json]:
    """Return the document that `--json` prints and `--report` writes."""
    return {
        "schema": SCHEMA_VERSION,
        "run": _facts(summary.facts),
        "interrupted": summary.is_interrupted,
        "fatal": summary.fatal or None,
        "totals": {
            "walked": summary.walked,
            "optimized": summary.optimized,
            "kept": summary.kept,
            "skipped": summary.skipped,
            "failed": summary.failed,
        },
        "bytes": {
            "read": summary.bytes_read,
            "written": summary.bytes_written,
            "saved": summary.bytes_saved,
        },
        "seconds": {"wall": round(summary.wall_s, 3), "cpu": round(summary.cpu_s, 3)},
        "throughput": _throughput(summary),
        "peak_memory_bytes": summary.peak_memory_bytes,
        "encodes": summary.encodes,
        "median_score": summary.median_score,
        "scores": {f"{tenths / 10}": count for tenths, count in sorted(summary.scores.items())},
        "pixels_written": summary.pixels_written,
        "skips": summary.skips,
        **_lists(summary),
    }


def _lists(summary: Summary) -> dict[str, Json]:
    return {
        "formats": {
            name: {
                "files": count.files,
                "bytes_read": count.bytes_read,
                "bytes_written": count.bytes_written,
            }
            for name, count in summary.formats.items()
        },
        "failures": [
            {
                "path": failure.path,
                "kind": failure.kind,
                "stage": failure.stage,
                "message": failure.message,
                "attempts": failure.attempts,
            }
            for failure in summary.failures
        ],
        "slowest": [
            {"path": one.path, "seconds": round(one.seconds, 4), "bytes_read": one.bytes_read}
            for one in summary.slowest
        ],
        "largest": [
            {"path": one.path, "seconds": round(one.seconds, 4), "bytes_read": one.bytes_read}
            for one in summary.largest
        ],
    }


def _throughput(summary: Summary) -> dict[str, Json]:
    """Return rates over the whole run; a file that was skipped is no image made."""
    seconds = max(summary.wall_s, 1e-9)
    images = summary.optimized + summary.kept
    return {
        "images_per_second": round(images / seconds, 3),
        "megapixels_per_second": round(summary.pixels_written / 1e6 / seconds, 3),
        "bytes_read_per_second": round(summary.bytes_read / seconds),
    }


def _facts(facts: RunFacts) -> dict[str, Json]:
    return {
        "source": facts.source,
        "destination": facts.destination,
        "recipe": facts.recipe,
        "fingerprint": facts.fingerprint,
        "workers": facts.workers,
        "memory_bytes": facts.memory_bytes,
        "lease_bytes": facts.lease_bytes,
        "dry_run": facts.is_dry_run,
        "warnings": list(facts.warnings),
        "in_place": facts.is_in_place,
        "backup": facts.backup or None,
        "shard": facts.shard or None,
    }


def _output(output: Output) -> dict[str, Json]:
    return {
        "path": output.path,
        "width": output.width_px,
        "height": output.height_px,
        "type": codec(output.target).media_type,
        "bytes": output.size_bytes,
        "quality": output.quality,
        "score": output.score,
        "sha256": output.digest or None,
    }


def _failed(failure: Failed) -> dict[str, Json]:
    return {
        "kind": str(failure.kind),
        "stage": str(failure.stage),
        "message": failure.message,
        "retryable": failure.is_retryable,
    }
