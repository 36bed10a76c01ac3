"""Whole runs with a store at either end, through the ferry; the store is a folder of this machine.

What only a server shows, such as headers and conditions, is in `tests/cluster`.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import pixmill
from pixmill import berth
from pixmill.address import Access
from pixmill.errors import OptionError
from pixmill.model import FailureKind, Outcome, SkipReason, Status
from pixmill.options import Options, meant
from pixmill.recipe import Recipe
from pixmill.settings import IfExists, MetadataDirective, Redo, Settings
from pixmill.sharding import Shard
from pixmill.vocabulary import Effort, Operation
from runs import (
    HALVED,
    TWO_WORKERS,
    Heard,
    archive,
    by_path,
    digests,
    left_running,
    ran,
    runs_as,
    scripted,
    workers,
)

if TYPE_CHECKING:
    from pathlib import Path

    import psutil


_TO_WEBP = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="webp",
    effort=Effort.FAST,
)
_NAMES = ("a.jpg", "B.png", "deep/er/c.webp", "deep/d e+ü.jpg", "deep/d e+ü.png", "x.gif")


def _url(path: Path) -> str:
    return f"file://{path}"


def _kept_in(path: Path, **changes: object) -> Settings:
    """Return settings whose journal is a file of this machine."""
    return replace(TWO_WORKERS, journal=str(path / "journal.sqlite"), **changes)  # type: ignore[arg-type]


@pytest.fixture
def others() -> list[psutil.Process]:
    """Return what runs beside a test, such as the servers of another."""
    return left_running()


def _strike_ferry(run: pixmill.Run, blow: signal.Signals) -> list[Outcome]:
    """Strike the ferry of a run that has one, or will once it goes on; return what it made."""
    outcomes = [next(run)]
    while not (ferries := [each for each in left_running() if runs_as(each, "ferryman")]):
        outcomes.append(next(run))
    ferries[0].send_signal(blow)
    return outcomes


def _objects(folder: Path) -> dict[str, str]:
    """Return the digests of what a folder holds that plays a store.

    A ferry that dies leaves what it has half put there under `NAME#1`, which is no object.
    """
    return {name: digest for name, digest in digests(folder).items() if "#" not in name}


@pytest.mark.parametrize("ends", ["both", "source", "destination"])
def test_a_store_gets_what_a_folder_gets(
    tmp_path: Path, others: list[psutil.Process], ends: str
) -> None:
    """Results are the same bytes under the same names, whichever end is a store."""
    source = archive(tmp_path / "in", *_NAMES)
    (source / "notes.txt").write_text("no image")
    (source / "empty.jpg").touch()
    on_disc = ran(source, tmp_path / "disc")
    ended = ran(
        source if ends == "destination" else _url(source),
        tmp_path / "out" if ends == "source" else _url(tmp_path / "out"),
        settings=_kept_in(tmp_path),
    )
    assert digests(tmp_path / "out") == digests(tmp_path / "disc")
    found, expected = by_path(ended.outcomes), by_path(on_disc.outcomes)
    assert {path: (each.status, each.destination) for path, each in found.items()} == {
        path: (each.status, each.destination) for path, each in expected.items()
    }
    assert left_running() == others


@pytest.mark.parametrize("ends", ["both", "destination"])
def test_shards_of_a_store_make_what_one_run_makes(
    tmp_path: Path, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each its own, and of the others' only the beginnings that names depend on; no run stalls."""
    monkeypatch.setattr("pixmill.incoming._WINDOW_FILES", 4)
    names = [f"deep/{number}.{suffix}" for number in range(6) for suffix in ("jpg", "png")]
    source = archive(tmp_path / "in", *_NAMES, *names)
    whole = ran(source, tmp_path / "disc", recipe=_TO_WEBP)
    outcomes = []
    for index in (0, 1, 2):
        settings = _kept_in(tmp_path, shard=Shard(index, 3))
        given = source if ends == "destination" else _url(source)
        ended = ran(given, _url(tmp_path / "out"), recipe=_TO_WEBP, settings=settings)
        outcomes += ended.outcomes
    assert digests(tmp_path / "out") == digests(tmp_path / "disc")
    assert by_path(outcomes).keys() == by_path(whole.outcomes).keys()
    assert not left_running()


def test_running_again_does_nothing(tmp_path: Path) -> None:
    """What is done is left alone; what changed, was removed or was overwritten is made again."""
    source, out = archive(tmp_path / "in", *_NAMES), tmp_path / "out"
    settings = _kept_in(tmp_path)
    ran(_url(source), _url(out), settings=settings)
    before = digests(out)
    again = ran(_url(source), _url(out), settings=settings)
    assert {each.reason for each in again.outcomes} == {SkipReason.DONE}
    (out / "a.jpg").unlink()
    (out / "B.png").write_bytes(b"other")
    os.utime(source / "x.gif", ns=(1, 10**18))
    third = by_path(ran(_url(source), _url(out), settings=settings).outcomes)
    made = {path for path, each in third.items() if each.reason is not SkipReason.DONE}
    assert made == {"a.jpg", "B.png", "x.gif"}
    assert digests(out) == before


def test_a_name_that_no_key_can_be(tmp_path: Path) -> None:
    """A file whose name is no text is refused by itself, since keys are UTF-8."""
    source = archive(tmp_path / "in", "a.jpg", "b.jpg")
    (source / "a.jpg").rename(os.fsdecode(os.fsencode(source) + b"/\xff.jpg"))
    found = by_path(ran(source, _url(tmp_path / "out"), settings=_kept_in(tmp_path)).outcomes)
    failure = found["\udcff.jpg"].failure
    assert failure is not None
    assert failure.kind is FailureKind.REFUSED
    assert found["b.jpg"].status is Status.OPTIMIZED


def test_what_stands_there_is_not_replaced(tmp_path: Path) -> None:
    """An object that is not pixmill's own stays, unless the user says that it may go."""
    source, out = archive(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_bytes(b"mine")
    skipped = ran(_url(source), _url(out), settings=_kept_in(tmp_path))
    assert by_path(skipped.outcomes)["a.jpg"].reason is SkipReason.EXISTS
    failed = ran(_url(source), _url(out), settings=_kept_in(tmp_path, if_exists=IfExists.FAIL))
    failure = by_path(failed.outcomes)["a.jpg"].failure
    assert failure is not None
    assert failure.kind is FailureKind.EXISTS
    assert (out / "a.jpg").read_bytes() == b"mine"
    settings = _kept_in(tmp_path, if_exists=IfExists.OVERWRITE)
    assert not by_path(ran(_url(source), _url(out), settings=settings).outcomes)["a.jpg"].failure
    assert (out / "a.jpg").read_bytes() != b"mine"


def test_a_series_in_a_store(tmp_path: Path) -> None:
    """All outputs are put and listed, made again if one is missing, and old ones removed."""
    source, out = archive(tmp_path / "in", "a.jpg", "deep/b.png", size_px=64), tmp_path / "out"
    recipe = Recipe(widths=(16, 32), formats=("webp", "jpg"))
    settings = _kept_in(tmp_path)
    ran(_url(source), _url(out), recipe=recipe, settings=settings)
    ran(source, tmp_path / "disc", recipe=recipe)
    assert digests(out) == digests(tmp_path / "disc")
    again = ran(_url(source), _url(out), recipe=recipe, settings=settings)
    assert {each.reason for each in again.outcomes} == {SkipReason.DONE}
    (out / "a-16.webp").unlink()
    third = by_path(ran(_url(source), _url(out), recipe=recipe, settings=settings).outcomes)
    assert third["a.jpg"].status is Status.OPTIMIZED
    assert third["deep/b.png"].reason is SkipReason.DONE
    assert digests(out) == digests(tmp_path / "disc")
    narrower = replace(recipe, widths=(16, 24))
    ran(_url(source), _url(out), recipe=narrower, settings=settings)
    ran(source, tmp_path / "disc", recipe=narrower)
    assert digests(out) == digests(tmp_path / "disc")
    assert "a-32.jpg" not in digests(out)
    assert (tmp_path / "journal.sqlite.srcset.json").exists()


def test_formats_that_follow_from_the_result(tmp_path: Path) -> None:
    """Under `auto` an object is named by what it became."""
    source, out = archive(tmp_path / "in", "a.png"), tmp_path / "out"
    settings = _kept_in(tmp_path)
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format="auto",
        candidates=("webp", "jpg"),
    )
    (outcome,) = ran(_url(source), _url(out), recipe=recipe, settings=settings).outcomes
    assert [outcome.destination] == list(digests(out))
    assert outcome.destination in {"a.webp", "a.jpg"}
    (outcome,) = ran(_url(source), _url(out), recipe=recipe, settings=settings).outcomes
    assert outcome.reason is SkipReason.DONE


def test_only_failures_are_tried_again(tmp_path: Path) -> None:
    """A source that failed is taken up by `--retry-failed`, and nothing else."""
    source, out = archive(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out"
    whole = (source / "b.jpg").read_bytes()
    (source / "b.jpg").write_bytes(whole[: len(whole) // 2])
    first = ran(_url(source), _url(out), settings=_kept_in(tmp_path))
    assert by_path(first.outcomes)["b.jpg"].status is Status.FAILED
    (source / "b.jpg").write_bytes(whole)
    again = ran(_url(source), _url(out), settings=_kept_in(tmp_path, redo=Redo.FAILED))
    found = by_path(again.outcomes)
    assert found["a.jpg"].reason is SkipReason.NOT_FAILED
    assert found["b.jpg"].status is Status.OPTIMIZED


def test_an_object_that_the_disc_cannot_take(tmp_path: Path) -> None:
    """An object larger than what is free fails by itself, beforehand; the others are made."""
    source = archive(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    os.truncate(source / "b.jpg", 8 << 40)
    settings = _kept_in(tmp_path, max_file_bytes=1 << 62)
    found = by_path(ran(_url(source), _url(tmp_path / "out"), settings=settings).outcomes)
    failure = found["b.jpg"].failure
    assert failure is not None
    assert failure.kind is FailureKind.NO_SPACE
    assert "TMPDIR" in failure.message
    assert set(digests(tmp_path / "out")) == {"a.jpg", "c.jpg"}


def test_one_object(tmp_path: Path) -> None:
    """An address may name one object, whose result has its bare name."""
    source = archive(tmp_path / "in", "deep/a.jpg", "deep/b.jpg")
    ended = ran(_url(source / "deep/a.jpg"), _url(tmp_path / "out"), settings=_kept_in(tmp_path))
    assert list(by_path(ended.outcomes)) == ["a.jpg"]
    assert list(digests(tmp_path / "out")) == ["a.jpg"]


def test_nothing_there(tmp_path: Path) -> None:
    """A prefix below which nothing lies ends the run, and says so."""
    ended = ran(_url(tmp_path / "none"), _url(tmp_path / "out"), settings=_kept_in(tmp_path))
    assert "nothing lies there" in ended.summary.fatal
    assert not ended.outcomes


def test_results_are_no_sources(tmp_path: Path) -> None:
    """An output below the input is not met, nor is what begins like it left out."""
    source = archive(tmp_path / "in", "a.jpg", "web2/b.jpg")
    for _ in range(2):
        ended = ran(_url(source), _url(source / "web"), settings=_kept_in(tmp_path))
        assert set(by_path(ended.outcomes)) == {"a.jpg", "web2/b.jpg"}


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that are each larger than all that may be under way come one at a time."""
    monkeypatch.setattr(berth, "_STAGED_SHARE", 1 << 40)
    source = archive(tmp_path / "in", *_NAMES)
    ended = ran(_url(source), _url(tmp_path / "out"), settings=_kept_in(tmp_path))
    assert {each.status for each in ended.outcomes} == {Status.OPTIMIZED}


def test_a_dry_run_puts_nothing(tmp_path: Path) -> None:
    """A dry run makes everything and writes neither objects nor a journal."""
    source = archive(tmp_path / "in", "a.jpg")
    settings = replace(TWO_WORKERS, dry_run=True)
    (outcome,) = ran(_url(source), _url(tmp_path / "out"), settings=settings).outcomes
    assert outcome.status is Status.OPTIMIZED
    assert not (tmp_path / "out").exists()


def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    """A file whose worker was killed is made again from what was fetched."""
    source = archive(tmp_path / "in", *(f"{number}.png" for number in range(12)), size_px=400)
    settings = _kept_in(tmp_path)
    with pixmill.optimize(_url(source), _url(tmp_path / "out"), HALVED, settings=settings) as run:
        first = next(run)
        workers()[0].send_signal(signal.SIGKILL)
        outcomes = [first, *run]
    assert {each.status for each in outcomes} <= {Status.OPTIMIZED, Status.KEPT}
    assert len(outcomes) == len(digests(tmp_path / "out")) == 12


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("share", [0, 20], ids=["at its beginning", "near its end"])
def test_a_ferry_that_dies_or_stands_still_is_replaced(
    tmp_path: Path,
    others: list[psutil.Process],
    monkeypatch: pytest.MonkeyPatch,
    *,
    end: signal.Signals,
    share: int,
) -> None:
    """Another does what it left, the rest of its listing too; every file is made once, the same."""
    monkeypatch.setattr("pixmill.executors.ferry.PATIENCE_S", 3.0)
    monkeypatch.setattr("pixmill.incoming._WINDOW_FILES", 1)
    names = [f"{number % 7}/{number}.png" for number in range(24)]
    source = archive(tmp_path / "in", *names, size_px=200)
    told = Heard()
    with pixmill.optimize(
        _url(source), _url(tmp_path / "out"), HALVED, settings=_kept_in(tmp_path), reporter=told
    ) as run:
        outcomes = [next(run) for _ in range(share)]
        outcomes += [*_strike_ferry(run, end), *run]
    assert not run.summary.fatal
    assert {each.status for each in outcomes} <= {Status.OPTIMIZED, Status.KEPT}
    assert sorted(by_path(outcomes)) == sorted(names)
    assert any("another takes over" in text for text in told.notices)
    ran(source, tmp_path / "disc")
    assert _objects(tmp_path / "out") == digests(tmp_path / "disc")
    assert left_running() == others


def test_ferries_that_go_on_dying_end_the_run(
    tmp_path: Path, others: list[psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once no other may take over a run ends and says so; the next one makes what is missing."""
    monkeypatch.setattr("pixmill.executors.ferry._SPARES", 1)
    source = archive(tmp_path / "in", *(f"{number}.png" for number in range(24)), size_px=400)
    settings = _kept_in(tmp_path)
    with pixmill.optimize(_url(source), _url(tmp_path / "out"), HALVED, settings=settings) as run:
        for _ in range(2):
            _strike_ferry(run, signal.SIGKILL)
        list(run)
    assert "has ended" in run.summary.fatal
    assert left_running() == others
    ended = ran(_url(source), _url(tmp_path / "out"), settings=settings)
    assert not ended.summary.fatal
    assert len(_objects(tmp_path / "out")) == len(ended.outcomes) == 24


def test_a_run_that_is_stopped(tmp_path: Path, others: list[psutil.Process]) -> None:
    """A drained run puts what it has made; an aborted one waits for nothing."""
    source = archive(tmp_path / "in", *(f"{number}.png" for number in range(24)), size_px=400)
    for stop in ("drain", "abort"):
        settings = _kept_in(tmp_path)
        with pixmill.optimize(
            _url(source), _url(tmp_path / stop), HALVED, settings=settings
        ) as run:
            next(run)
            getattr(run, stop)()
            rest = list(run)
        assert run.summary.is_interrupted
        assert len(rest) < 23
        made = {each.destination for each in rest if each.destination}
        assert made <= set(digests(tmp_path / stop))
    assert left_running() == others


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(in_place=True, no_backup=True), "in_place"),
        (Settings(checksum=True, journal="j"), "checksum"),
    ],
    ids=["in place", "checksum"],
)
def test_what_objects_cannot_have(tmp_path: Path, settings: Settings, option: str) -> None:
    """What is about files alone is refused by name, and nothing is begun."""
    destination = None if settings.in_place else _url(tmp_path / "out")
    with pytest.raises(OptionError) as caught:
        pixmill.optimize(_url(tmp_path), destination, settings=settings)
    assert caught.value.option == option


def test_the_command_takes_urls(tmp_path: Path) -> None:
    """URLs reach the run as they were typed, and no coordinator loads what speaks to stores."""
    source, out = archive(tmp_path / "in", "a.jpg"), tmp_path / "out"
    ended = scripted(
        "import sys\n"
        "from pixmill_cli.app import app\n"
        "try:\n"
        "    app(['optimize', *sys.argv[2:]])\n"
        "finally:\n"
        "    assert 'obstore' not in sys.modules\n",
        tmp_path,
        _url(source),
        _url(out),
        "--quiet",
        f"--journal={tmp_path / 'journal.sqlite'}",
    )
    assert not ended.stderr
    assert list(digests(out)) == ["a.jpg"]


def test_without_the_extra(tmp_path: Path) -> None:
    """Where obstore is missing folders work, and a URL says what to install."""
    archive(tmp_path / "in", "a.jpg")
    scripted(
        "import sys\n"
        "sys.modules['obstore'] = None\n"
        "import pixmill\n"
        "if __name__ == '__main__':\n"
        "    folder = sys.argv[1]\n"
        "    with pixmill.optimize(f'{folder}/in', f'{folder}/out') as run:\n"
        "        assert [each.failure for each in run] == [None]\n"
        "    try:\n"
        "        pixmill.optimize(f'{folder}/in', 's3://bucket/out')\n"
        "    except pixmill.OptionError as error:\n"
        "        assert \"pip install 'pixmill[cloud]'\" in str(error), error\n"
        "    else:\n"
        "        raise AssertionError\n",
        tmp_path,
    )


def test_access_is_what_was_typed() -> None:
    """Flags and keys say how stores are reached and what objects say of themselves."""
    options = Options(
        endpoint_url="http://127.0.0.1:9",
        region="here",
        profile="me",
        anonymous=True,
        store_patience="1h",
        cache_control="no-store",
        metadata_directive=MetadataDirective.REPLACE,
        tagging="team=web&kind=a%20b",
    )
    settings = meant(options).settings
    assert settings.access == Access(
        endpoint_url="http://127.0.0.1:9",
        region="here",
        profile="me",
        is_anonymous=True,
        patience_s=3600.0,
    )
    assert settings.cache_control == "no-store"
    assert settings.metadata_directive is MetadataDirective.REPLACE
    assert settings.tagging == (("team", "web"), ("kind", "a b"))


@pytest.mark.parametrize(
    "text", ["", "team", "a=1&a=2", "=b", "k=" + 257 * "v", "k=a%26b", "&".join("abcdefghijk")]
)
def test_tags_that_no_store_takes(text: str) -> None:
    """Tags that are none, twice the same, too long or too many are refused before the run."""
    with pytest.raises(OptionError) as caught:
        meant(Options(tagging=text))
    assert caught.value.option == "tagging"


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(cache_control="no-store"), "cache_control"),
        (Settings(metadata_directive=MetadataDirective.REPLACE), "metadata_directive"),
        (Settings(tagging=(("a", "b"),)), "tagging"),
    ],
    ids=["cache control", "directive", "tags"],
)
def test_what_files_cannot_have(tmp_path: Path, settings: Settings, option: str) -> None:
    """What only objects are given is refused for a folder, not ignored; so are tags of Google's."""
    with pytest.raises(OptionError) as caught:
        pixmill.optimize(_url(tmp_path), tmp_path / "out", settings=settings)
    assert caught.value.option == option


def test_a_store_without_tags(tmp_path: Path) -> None:
    """Google's objects have no tags, and a run that shall give them some is refused."""
    settings = Settings(tagging=(("a", "b"),))
    with pytest.raises(OptionError, match="no tags"):
        pixmill.optimize(tmp_path, "gs://bucket/out", settings=settings)


def test_one_prefix_twice(tmp_path: Path) -> None:
    """Input and output may not be one prefix."""
    with pytest.raises(OptionError, match="one prefix"):
        pixmill.optimize(_url(tmp_path), _url(tmp_path) + "/", settings=_kept_in(tmp_path))
