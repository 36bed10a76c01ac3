"""Every file of the corpora, hostile and corrupt ones among them, as one archive.

Pillow and libvips, without pixmill, say what can be decoded, file by file, as the tests run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from corpora import CORPORA, corpus_files, needs_corpora
from decoders import Verdict, verdicts
from pixmill.model import FailureKind
from pixmill.registry import codec
from pixmill_cli.exit_codes import ExitCode

pytestmark = [pytest.mark.corpora, needs_corpora]

COMMAND: Final = str(Path(sys.executable).with_name("pixmill"))
MEMORY_BYTES: Final = 1_000_000_000
TIMEOUT_S: Final = 300

_OTHER_REPORTS: Final = "decodes in one library, and the other reports damage"
_NO_WHITE: Final = "signed integers: both libraries take some number for white, and not the same"
_NO_END: Final = "decodes, and lacks the end that its format demands"
NOT_OPTIMIZED: Final = {
    "corrupt/afl_id_000180_src_000000_op_flip1_pos_503_+c.jpg": _NO_END,
    "corrupt/pillow_truncated_end_chunk.png": _NO_END,
    "corrupt/gofuzz_png_5c3ed56ce71be1412d4d679d.png": _NO_END,
    "corrupt/pillow_crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif": _OTHER_REPORTS,
    "corrupt/pillow_crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif": _OTHER_REPORTS,
    "pngsuite/corrupt/xcsn0g01.png": _OTHER_REPORTS,
    "formats/tiff/int16_rgb.tif": _NO_WHITE,
    "formats/tiff/tiled-oversize-gray-i8.tif": _NO_WHITE,
}
"""Files that a library decodes completely and that `--corrupt fail` fails, as it promises."""

PUZZLING: Final = re.compile(r"\b0x\w{4}|[A-Z]\w+Error|error -|b'|\\x|object at|None|NULL|\n")
"""What betrays a message that nobody wrote for a person."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One run over everything, beside what the libraries say.

    Attributes:
        code: The command's exit code.
        files: The event of each file, by path.
        report: The report at the end.
        verdicts: What the libraries make of each file, by path.
    """

    code: int
    files: dict[str, dict[str, object]]
    report: dict[str, dict[str, int]]
    verdicts: dict[str, Verdict]

    def failures(self) -> dict[str, dict[str, str]]:
        """Return kind, stage and message of what failed, by path."""
        return {
            path: told["failure"]  # type: ignore[misc]  # JSON
            for path, told in self.files.items()
            if told["failure"]
        }


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Return one run of the command, everything turned into JPEG, and the libraries' verdicts."""
    folder = tmp_path_factory.mktemp("hostile")
    words = (
        *("--operations", "convert,compress", "--target-format", "jpg", "--effort", "fast"),
        *("--parallel", "2", "--memory", str(MEMORY_BYTES), "--durability", "none", "-q"),
        *("--events", str(folder / "events"), "--report", str(folder / "report")),
    )
    ended = subprocess.run(
        [COMMAND, "optimize", str(CORPORA), str(folder / "out"), *words],
        check=False,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    events = map(json.loads, (folder / "events").read_text(encoding="utf-8").splitlines())
    found = verdicts(path for path in corpus_files() if path.is_file())
    return Audit(
        code=ended.returncode,
        files={told["path"]: told for told in events if told["type"] == "file"},
        report=json.loads((folder / "report").read_text(encoding="utf-8")),
        verdicts={path.relative_to(CORPORA).as_posix(): each for path, each in found.items()},
    )


def test_the_run_ends_well(audit: Audit) -> None:
    """It exits with 1, inside its memory, and every file has an outcome."""
    assert audit.code == ExitCode.SOME_FAILED
    walked = sum(len(names) for _, _, names in os.walk(CORPORA))
    assert audit.report["totals"]["walked"] == walked == len(audit.files)
    assert audit.report["peak_memory_bytes"] <= MEMORY_BYTES  # type: ignore[operator]  # JSON


def test_no_worker_crashes_or_hangs(audit: Audit) -> None:
    """Damage and bombs are failures of a file, told by its decoder and not by its worker's end."""
    kinds = {told["kind"] for told in audit.failures().values()}
    ends = {FailureKind.CRASHED, FailureKind.TIMEOUT, FailureKind.SANDBOX, FailureKind.IO}
    assert not kinds & ends
    assert kinds <= {FailureKind.CORRUPT, FailureKind.UNSUPPORTED, "too-large", "memory"}


def test_whatever_can_be_decoded_is_optimized(audit: Audit) -> None:
    """What Pillow or libvips decodes completely is optimised; the exceptions fail for a reason."""
    decodable = {path for path, told in audit.verdicts.items() if told.is_decodable}
    failed = audit.failures()
    assert len(decodable) > 600
    assert decodable & set(failed) == set(NOT_OPTIMIZED)
    for path in NOT_OPTIMIZED:
        is_undefined = NOT_OPTIMIZED[path] == _NO_WHITE
        kind = FailureKind.UNSUPPORTED if is_undefined else FailureKind.CORRUPT
        assert failed[path]["kind"] == kind, path
    left = {path for path in decodable - set(failed) if audit.files[path]["outcome"] == "skipped"}
    assert not left


def _is_of_an_extra(codec_name: object) -> bool:
    """Return whether neither of the two libraries knows the format."""
    return bool(codec(str(codec_name)).reader.extra)


def test_what_nobody_can_decode_fails(audit: Audit) -> None:
    """A file in which both libraries report damage is not published as if it were sound."""
    damaged = {path for path, told in audit.verdicts.items() if not told.is_decodable}
    published = {path for path in damaged if audit.files[path]["destination"]}
    published -= {path for path in published if _is_of_an_extra(audit.files[path]["format"])}
    assert len(damaged) > 150
    assert not published


def test_failures_speak_to_people(audit: Audit) -> None:
    """Each says what was expected or refused, in a sentence that names no innards."""
    for path, told in audit.failures().items():
        message = told["message"]
        assert len(message.split()) > 3, (path, message)
        assert not PUZZLING.search(message), (path, message)
