"""Events and the summary document are plain JSON with the keys that were promised."""

from __future__ import annotations

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from pixmill import events
from pixmill.model import Failed, FailureKind, Outcome, SkipReason, Stage, Status
from pixmill.reporting import Failure, FormatCount, Progress, Ranked, RunFacts, Summary

FACTS = RunFacts(
    source="photos",
    destination="web",
    recipe={"fit": "inside"},
    fingerprint="0123456789abcdef",
    workers=2,
    memory_bytes=200_000_000,
    lease_bytes=100_000_000,
    is_dry_run=False,
    warnings=("only little memory is left",),
)


def summary(**changes: object) -> Summary:
    """Return a summary in which every list has a member."""
    fields: dict[str, object] = {
        "walked": 10,
        "optimized": 4,
        "kept": 3,
        "skipped": 2,
        "failed": 1,
        "bytes_read": 1000,
        "bytes_written": 400,
        "wall_s": 2.0,
        "cpu_s": 3.5,
        "peak_memory_bytes": 90_000_000,
        "encodes": 12,
        "scores": {790: 1, 805: 2},
        "pixels_written": 4_000_000,
        "is_interrupted": False,
        "fatal": "",
        "skips": {"hidden": 2},
        "formats": {"jpg": FormatCount(files=7, bytes_read=1000, bytes_written=400)},
        "failures": (Failure("a.jpg", "corrupt", "decode", "bytes are missing", 1),),
        "slowest": (Ranked("b.png", 1.5, 300),),
        "largest": (Ranked("c.tif", 0.5, 600),),
        "facts": FACTS,
    }
    return Summary(**(fields | changes))  # type: ignore[arg-type]  # each test names real fields


def parsed(line: str) -> dict[str, object]:
    """Return one event line as an object."""
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_the_document_holds_what_was_promised() -> None:
    """The summary document has every key of schema 1, and its numbers add up."""
    document = json.loads(json.dumps(events.summary_document(summary())))
    assert document["schema"] == 1
    assert document["totals"] == {
        "walked": 10,
        "optimized": 4,
        "kept": 3,
        "skipped": 2,
        "failed": 1,
    }
    assert document["bytes"] == {"read": 1000, "written": 400, "saved": 600}
    assert document["seconds"] == {"wall": 2.0, "cpu": 3.5}
    assert document["peak_memory_bytes"] == 90_000_000
    assert document["encodes"] == 12
    assert document["median_score"] == 80.5
    assert document["scores"] == {"79.0": 1, "80.5": 2}
    assert document["pixels_written"] == 4_000_000
    assert document["failures"] == [
        {
            "path": "a.jpg",
            "kind": "corrupt",
            "stage": "decode",
            "message": "bytes are missing",
            "attempts": 1,
        }
    ]


def test_the_document_says_how_it_went() -> None:
    """The summary document names recipe, workers, rates, formats, skips, slowest and largest."""
    document = json.loads(json.dumps(events.summary_document(summary(fatal="no space"))))
    assert document["run"]["fingerprint"] == FACTS.fingerprint
    assert document["run"]["recipe"] == {"fit": "inside"}
    assert document["run"]["workers"] == 2
    assert document["throughput"]["images_per_second"] == 3.5
    assert document["throughput"]["megapixels_per_second"] == 2.0
    assert document["formats"]["jpg"]["files"] == 7
    assert document["skips"] == {"hidden": 2}
    assert document["slowest"][0]["path"] == "b.png"
    assert document["largest"][0]["path"] == "c.tif"
    assert document["interrupted"] is False
    assert document["fatal"] == "no space"


def test_a_run_of_no_time_has_rates() -> None:
    """A run that took no measurable time divides by nothing it should not."""
    document = events.summary_document(summary(wall_s=0.0))
    assert json.loads(json.dumps(document))["seconds"]["wall"] == 0


def test_a_finished_file_holds_what_was_promised() -> None:
    """The event of an optimized file has every promised key."""
    outcome = Outcome(
        path="a/b.png",
        status=Status.OPTIMIZED,
        codec="png",
        bytes_read=1000,
        destination="a/b.webp",
        bytes_written=300,
        target="webp",
        width_px=80,
        height_px=60,
        quality=82,
        score=80.41,
        encodes=3,
        attempts=2,
        wall_s=0.5,
        notes=("photograph",),
    )
    found = parsed(events.line(events.file_event(outcome)))
    promised = {
        "type": "file",
        "path": "a/b.png",
        "outcome": "optimized",
        "destination": "a/b.webp",
        "bytes_read": 1000,
        "bytes_written": 300,
        "quality": 82,
        "attempts": 2,
        "score": 80.41,
        "encodes": 3,
    }
    assert promised.items() <= found.items()
    assert found["reason"] is None
    assert found["failure"] is None


def test_failures_and_skips_say_why() -> None:
    """The event of a failed file says what, where and why; that of a skipped one its reason."""
    failure = Failed(FailureKind.CORRUPT, Stage.DECODE, "bytes are missing")
    failed = parsed(
        events.line(events.file_event(Outcome(path="x", status=Status.FAILED, failure=failure)))
    )
    assert failed["failure"] == {
        "kind": "corrupt",
        "stage": "decode",
        "message": "bytes are missing",
        "retryable": False,
    }
    outcome = Outcome(path="y", status=Status.SKIPPED, reason=SkipReason.HIDDEN)
    assert parsed(events.line(events.file_event(outcome)))["reason"] == "hidden"


def test_every_event_names_its_type() -> None:
    """Run, progress, notice and summary events can be told apart by their type."""
    lines = (
        events.line(events.run_event(FACTS)),
        events.line(events.progress_event(Progress(optimized=1, elapsed_s=1.5))),
        events.line(events.notice_event("a worker was replaced")),
        events.line(events.summary_event(summary())),
    )
    assert [parsed(line)["type"] for line in lines] == ["run", "progress", "notice", "summary"]


@given(st.binary(min_size=1, max_size=40))
def test_any_file_name_survives(name: bytes) -> None:
    """A path of any bytes is written as ASCII and read back to the same bytes."""
    path = os.fsdecode(name)
    line = events.line(events.file_event(Outcome(path=path, status=Status.KEPT)))
    assert line.isascii()
    assert os.fsencode(str(parsed(line)["path"])) == name
