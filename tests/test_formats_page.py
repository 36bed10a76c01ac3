"""What is told of formats is what the records say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from formats_page import PAGE, page
from pixmill.codecs.abilities import abilities
from pixmill.registry import codec, codecs, writable_names

COMMAND = str(Path(sys.executable).with_name("pixmill"))


def test_the_page_is_up_to_date() -> None:
    """engine/FORMATS.md is what `make formats-page` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_as_many_formats_as_promised() -> None:
    """At least 25 are read and 8 are written, none of them by an extra."""
    assert len([spec for spec in codecs() if spec.can_read and not spec.reader.extra]) >= 25
    assert len(writable_names()) >= 8


def test_abilities_are_told_in_words() -> None:
    """A format that is written says what it holds, one that is read what `keep` makes of it."""
    tiff = abilities(codec("tiff"))
    assert (tiff.holds, tiff.coding) == ("alpha, pages, CMYK", "lossless")
    assert (tiff.metadata, tiff.bits) == ("ICC, EXIF, XMP, IPTC", "32")
    jpg = abilities(codec("jpg"))
    assert (jpg.coding, jpg.edge) == (f"quality 1 to 100 ({codec('jpg').default_quality})", "65500")
    assert (abilities(codec("bmp")).keep, abilities(codec("heic")).keep) == ("png", "jpg")
    assert abilities(codec("fits")).keep == ""


def test_the_command_tells_them() -> None:
    """`pixmill formats` shows them in its table and in its JSON."""
    told = subprocess.run(
        [COMMAND, "formats", "--json"], capture_output=True, text=True, check=True
    )
    found = {one["name"]: one for one in json.loads(told.stdout)["formats"]}
    for spec in codecs():
        can = abilities(spec)
        one = found[spec.name]
        assert (one["metadata"], one["keep"]) == (can.metadata, can.keep)
        assert one["max_edge_px"] == (spec.max_edge_px if spec.can_write else None)
        assert one["max_bits"] == (spec.max_bits if spec.can_write else None)
    shown = subprocess.run([COMMAND, "formats"], capture_output=True, text=True, check=True).stdout
    for word in ("quality 1 to", "ICC", "16383", "lossless"):
        assert word in shown
