"""Throw hostile bytes at every parser and at whole runs for a while; `make fuzz` runs it.

`--target NAME` takes one target, `--seconds` is shared among those taken, `--seed` makes the same
damage again. What is found is kept under `fuzz-findings/TARGET/`, with a line that replays it.
Exit code 1 if anything was.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fuzzing import archives, seeds, words
from fuzzing.contracts import CONTRACTS, sparing

FINDINGS: Final = Path("fuzz-findings")
_FILES: Final = "files"
_FILES_SHARE: Final = 0.5
_ARCHIVE_FILES: Final = 120
_LEAST_S: Final = 2
_STUCK_S: Final = 900
_LIBFUZZER: Final = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=20000", "-print_final_stats=1")
_MAX_FINDINGS: Final = 5
_NUMBER: Final = re.compile(r"\d+")
"""What differs between messages of one kind."""


@dataclass(slots=True)
class Findings:
    """Keeps inputs that broke a promise, one of a kind."""

    target: str
    told: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return FINDINGS / self.target

    def keep(self, trouble: str, content: bytes, suffix: str = "") -> None:
        """Keep an input, and say what it did and how to see it again."""
        kind = _NUMBER.sub("N", trouble)
        if kind in self.told:
            return
        self.told.add(kind)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
        path.write_bytes(content)
        print(f"FOUND by {self.target}: {trouble}", flush=True)
        print(f"  replay: python bench/fuzz.py --replay {path}", flush=True)


def main() -> int:
    """Run the targets that were asked for, or one input again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=("all", _FILES, *CONTRACTS), default="all")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--replay", type=Path, metavar="FINDING")
    args = parser.parse_args()
    if args.replay:
        return _replayed(args.replay)
    print(f"seed {args.seed}", flush=True)
    wanted = (*CONTRACTS, _FILES) if args.target == "all" else (args.target,)
    files_s = args.seconds * (_FILES_SHARE if len(wanted) > 1 else 1)
    parser_s = (args.seconds - files_s) / max(1, len(wanted) - 1) if len(wanted) > 1 else files_s
    found = 0
    for target in wanted:
        findings = Findings(target)
        if target == _FILES:
            fuzz_files(findings, files_s, args.seed)
        else:
            fuzz_parser(findings, parser_s, args.seed)
        found += len(findings.told)
    print(f"{found or 'no'} findings", flush=True)
    return 1 if found else 0


def fuzz_parser(findings: Findings, seconds: float, seed: int) -> None:
    """Let atheris look for bytes that break one parser's contract, each time from other seeds."""
    deadline_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="pixmill-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, content in enumerate(_seeds(findings.target)):
            (corpus / f"{number:05}").write_bytes(content)
        while len(findings.told) < _MAX_FINDINGS:
            left_s = round(deadline_s - time.monotonic())
            if left_s < 1 and findings.told:
                break
            if not _guided(findings, Path(folder), max(_LEAST_S, left_s), seed):
                break
            seed += 1


def _seeds(target: str) -> list[bytes]:
    if target == "heads":
        return [content[:4096] for pool in seeds.files().values() for content in pool[:4]]
    return [*seeds.files_of(target), *words.words_of(target)]


def _guided(findings: Findings, folder: Path, seconds: int, seed: int) -> bool:
    """Run atheris in a process of its own until it ends; return whether it found something."""
    command = [sys.executable, "-m", "fuzzing.guided", findings.target, *_LIBFUZZER]
    command += [f"-max_total_time={seconds}", f"-seed={seed % 2**32 or 1}"]
    command += [f"-artifact_prefix={folder}/", str(folder / "corpus")]
    paths = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder)}
    ended = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, env=environment
    )
    runs = next((line for line in ended.stderr.splitlines() if "number_of_executed" in line), "")
    print(f"{findings.target}: {runs.split()[-1] if runs else 'no'} inputs", flush=True)
    kept = [path for path in folder.iterdir() if path.is_file()]
    for path in kept:
        kind = path.name.partition("-")[0]
        findings.keep(_trouble(kind, ended.stdout + ended.stderr), path.read_bytes())
        path.unlink()
    if ended.returncode and not kept:
        findings.keep(f"atheris ended with {ended.returncode}: {ended.stderr[-2000:]}", b"")
    return bool(ended.returncode)


def _trouble(kind: str, told: str) -> str:
    """Return the place and the exception that a traceback ends with, which tell findings apart."""
    lines = told.partition("Uncaught Python exception")[2].splitlines()
    raised = next((line for line in lines if line[:1].isalpha() and "Traceback" not in line), "")
    place = next((line.strip() for line in reversed(lines) if line.startswith("  File")), "")
    return f"{kind}: {raised} {place}".strip()


def fuzz_files(findings: Findings, seconds: float, seed: int) -> None:
    """Run every recipe over archives of damaged files, one archive after the other."""
    deadline_s = time.monotonic() + seconds
    rng = random.Random(seed)
    files = 0
    with tempfile.TemporaryDirectory(prefix="pixmill-fuzz-") as folder:
        for name in itertools.cycle(archives.RECIPES):
            if files and time.monotonic() > deadline_s:
                break
            source = Path(folder, f"in-{files:06}")
            archives.made_archive(source, rng, files=_ARCHIVE_FILES)
            faulthandler.dump_traceback_later(_STUCK_S, exit=True)  # a run that hangs is found too
            for finding in archives.judged(source, Path(folder, "work"), name):
                path = source / finding.path
                content = path.read_bytes() if path.is_file() else b""
                findings.keep(finding.trouble, content, path.suffix)
            faulthandler.cancel_dump_traceback_later()
            files += _ARCHIVE_FILES
    print(f"{_FILES}: {files} files", flush=True)


def _replayed(path: Path) -> int:
    target = path.parent.name
    if target != _FILES:
        content = path.read_bytes()
        try:
            with sparing(len(content)):
                CONTRACTS[target](content)
        except Exception:  # noqa: BLE001 - what it raises is what is looked for
            traceback.print_exc()
            return 1
        return 0
    found = 0
    with tempfile.TemporaryDirectory(prefix="pixmill-fuzz-") as folder:
        source = Path(folder, "in")
        source.mkdir()
        (source / path.name).write_bytes(path.read_bytes())
        for name in archives.RECIPES:
            for finding in archives.judged(source, Path(folder, "work"), name):
                found += 1
                print(f"{name}: {finding.trouble}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
