"""Write engine/FORMATS.md from the codecs' records. Run `make formats-page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixmill.codecs.abilities import abilities
from pixmill.registry import codecs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixmill.codecs.spec import CodecSpec

PAGE: Final = Path(__file__).parents[1] / "engine" / "FORMATS.md"

_HEAD: Final = """\
# Formats

Made from the codecs' records by `make formats-page`; a test holds it to them.
`pixmill formats` shows the same beside what is installed.
A file is told by its content, never by its name.
"""
_WRITTEN: Final = ("format", "`--target-format`", "holds", "metadata", "coding", "bits", "edge, px")
_TUNED: Final = ("option", "from", "to", "what it sets")
_READ: Final = ("format", "name", "suffixes", "read by", "`keep` writes")


def page() -> str:
    """Return the page's text."""
    read = [spec for spec in codecs() if spec.can_read]
    written = [spec for spec in codecs() if spec.can_write]
    refused = [spec for spec in codecs() if not spec.can_read]
    return "\n".join(
        (
            _HEAD,
            f"## Written: {len(written)}\n",
            _table(_WRITTEN, map(_written, written)),
            "## Options of their own: `--codec-option CODEC.OPTION=NUMBER`\n",
            _table(_TUNED, (row for spec in written for row in _tunables(spec))),
            f"## Read: {len(read)}\n",
            _table(_READ, map(_read, read)),
            "## Told apart and refused\n",
            "\n".join(f"- {spec.title} ({', '.join(spec.suffixes)})" for spec in refused),
            "",
        )
    )


def _written(spec: CodecSpec) -> tuple[str, ...]:
    can = abilities(spec)
    name = f"`{spec.name}`" + (f", extra `{spec.writer.extra}`" if spec.writer.extra else "")
    return (spec.title, name, can.holds, can.metadata, can.coding, can.bits, can.edge)


def _tunables(spec: CodecSpec) -> Iterator[tuple[str, ...]]:
    for one in spec.tunables:
        yield (f"`{spec.name}.{one.name}`", str(one.least), str(one.most), one.about)


def _read(spec: CodecSpec) -> tuple[str, ...]:
    extra = f", extra `{spec.reader.extra}`" if spec.reader.extra else ""
    reader = f"{spec.reader}{extra}"
    return (spec.title, f"`{spec.name}`", " ".join(spec.suffixes), reader, abilities(spec).keep)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
