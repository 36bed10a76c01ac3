"""Gain maps in JPEGs: finding the one that a file holds, and attaching one to another file.

A gain map is a second, mostly smaller JPEG behind the first, by which HDR displays brighten the
picture (Ultra HDR, ISO 21496-1, Apple). An index tells where it lies, and XMP or an ISO segment of
its own how it is to be applied; of these, numbers and names go along and nothing else, since any
metadata of a second picture could tell a place. Must not decode pixels.

libvips could attach it too, at a price: of the corpora's three such files its loader takes one, and
its saver writes the picture without any of mozjpeg's means (29.9 kB where 23.6 will do).
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs import jpg_segments as parts
from pixmill.codecs.fields import big, little
from pixmill.codecs.jpg_head import Head, head_of
from pixmill.header import GainMap, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["bundled", "found"]

_INDEX: Final = b"MPF\0"
_TIFF_HEAD_BYTES: Final = 8
_FIELD_BYTES: Final = 12
_ENTRY_BYTES: Final = 16
_MAX_FIELDS: Final = 16
_MAX_PICTURES: Final = 8
_ENTRIES_TAG: Final = 0xB002
_MAX_FACTOR: Final = 2
"""Of the map's edge to its picture's; cameras write a quarter to the whole of it."""

_BANDS: Final = frozenset({1, 3})
_MAX_ISO_BYTES: Final = 1024  # three colours take 141 bytes and the name

_NAMESPACES: Final = {
    b"hdrgm": b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"HDRGainMap": b"http://ns.apple.com/HDRGainMap/1.0/",
    b"apdi": b"http://ns.apple.com/pixeldatainfo/1.0/",
}
_PREFIX: Final = b"hdrgm|HDRGainMap|apdi"
_VALUE: Final = rb"[\w.:+-]{1,64}"
_MAX_NAMES: Final = 32
_ATTRIBUTE: Final = re.compile(
    rb"\b((?:%b):\w{1,32})\s{0,8}=\s{0,8}[\"'](%b)[\"']" % (_PREFIX, _VALUE)
)
_ELEMENT: Final = re.compile(rb"<((?:%b):\w{1,32})>\s{0,64}(%b)\s{0,64}</" % (_PREFIX, _VALUE))
_SEQUENCE: Final = re.compile(
    rb"<((?:%b):\w{1,32})>\s{0,64}<rdf:Seq>"
    rb"((?:\s{0,64}<rdf:li>%b</rdf:li>){1,3})\s{0,64}</rdf:Seq>" % (_PREFIX, _VALUE)
)
_ITEM: Final = re.compile(rb"<rdf:li>%b</rdf:li>" % _VALUE)
_PACKET: Final = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%b</rdf:RDF></x:xmpmeta>'
)
_RDF_END: Final = b"</rdf:RDF>"
_DIRECTORY: Final = (
    b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
    b' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
    b' xmlns:Item="http://ns.google.com/photos/1.0/container/item/" hdrgm:Version="1.0">'
    b"<Container:Directory><rdf:Seq>"
    b'<rdf:li rdf:parseType="Resource">'
    b'<Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
    b'<rdf:li rdf:parseType="Resource">'
    b'<Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="%d"/></rdf:li>'
    b"</rdf:Seq></Container:Directory></rdf:Description>"
)


def found(file: BinaryIO, size_bytes: int, head: Head) -> GainMap | None:
    """Return the gain map among the further pictures of a file; `None` where there is none.

    Args:
        file: The file, open anywhere.
        size_bytes: Its size.
        head: What stands before its pixels.
    """
    if head.index is None:
        return None
    for offset, length in _pictures(head.index):
        if not head.end < offset < offset + length <= size_bytes:
            continue
        file.seek(offset)
        try:
            second = head_of(file)
        except ValueError:
            continue
        if second.end <= offset + length and _is_applicable(second, head):
            return GainMap(
                offset=offset,
                size_bytes=length,
                width_px=second.width_px,
                height_px=second.height_px,
                bands=second.bands,
                quality=second.quality,
                is_progressive=second.is_progressive,
            )
    return None


def bundled(image: bytes, gain_map: bytes, described: bytes) -> bytes:
    """Return a JPEG with a gain map behind it.

    Args:
        image: The JPEG that everybody shows.
        gain_map: The map, encoded as a JPEG.
        described: The source's map, whose own words tell how it is to be applied; may be the same.

    Raises:
        ValueError: One of them is damaged, or the XMP that is there leaves no room.
    """
    second = head_of(io.BytesIO(described))
    names = _names(second)
    iso = next((each.body for each in second.described if _is_whole_iso(each)), b"")
    told = [parts.xmp_segment(_PACKET % names)] if names else []
    told += [parts.application_segment(iso)] if iso else []
    plain = parts.rewrapped(gain_map, frozenset({Metadata.ICC}))
    if plain is None or not told:
        raise ValueError("expected a whole gain map that tells how to apply it, got another")
    attached = b"\xff\xd8" + b"".join(told) + plain[2:]
    extra = [parts.application_segment(iso[: iso.index(b"\0") + 1] + bytes(4))] if iso else []
    return _headed(image, attached, extra, is_listed=b"hdrgm:" in names)


def _headed(image: bytes, attached: bytes, extra: list[bytes], *, is_listed: bool) -> bytes:
    """Return the image with what announces the picture behind it, and that picture.

    CIPA DC-007 counts the offset from the index's own TIFF header.
    """
    front, packet, rest = _split(image)
    if is_listed:
        listed = _DIRECTORY % len(attached)
        packet = _joined(packet, listed) if packet else _PACKET % listed
    pieces = [front, parts.xmp_segment(packet) if packet else b"", *extra]
    before = sum(len(piece) for piece in pieces)
    index_bytes = len(parts.application_segment(_index(0, 0, 0)))
    total = before + index_bytes + len(rest)
    head_at = before + 4 + len(_INDEX)  # a marker and a length stand before the body
    index = _index(total, len(attached), total - head_at)
    return b"".join((*pieces, parts.application_segment(index), rest, attached))


def _split(image: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a JPEG up to its last JFIF or EXIF segment, its XMP packet, and the rest."""
    front = rest = 2
    packet = b""
    for segment in parts.segments(io.BytesIO(image)):
        start = segment.offset - 4
        if packet := parts.xmp_of(segment):
            return image[:start], packet, image[segment.end :]
        if parts.is_leading(segment):
            front = rest = segment.end
    return image[:front], b"", image[rest:]


def _joined(packet: bytes, listed: bytes) -> bytes:
    before, end, after = packet.rpartition(_RDF_END)
    if not end:
        raise ValueError("expected xmp with an end, found none")
    return before + listed + end + after


def _index(image_bytes: int, attached_bytes: int, offset: int) -> bytes:
    """Return the body of an MPF segment for two pictures: CIPA DC-007, 5.2."""
    fields = (
        struct.pack(">HHI4s", 0xB000, 7, 4, b"0100"),
        struct.pack(">HHII", 0xB001, 4, 1, 2),
        struct.pack(">HHII", _ENTRIES_TAG, 7, 2 * _ENTRY_BYTES, _TIFF_HEAD_BYTES + 2 + 3 * 12 + 4),
    )
    head = struct.pack(">2sHIH", b"MM", 42, _TIFF_HEAD_BYTES, len(fields))
    entries = struct.pack(
        ">IIIHHIIIHH", 0x30000, image_bytes, 0, 0, 0, 0, attached_bytes, offset, 0, 0
    )
    return _INDEX + head + b"".join(fields) + bytes(4) + entries


def _pictures(index: parts.Segment) -> Iterator[tuple[int, int]]:
    """Yield where further pictures lie in the file, and how long they are, by its index."""
    tiff = index.body.removeprefix(_INDEX)
    number: Callable[[bytes, int, int], int] = big if tiff.startswith(b"MM") else little
    start = index.offset + len(_INDEX)
    try:
        directory = number(tiff, 4, 4)
        for at in range(min(_MAX_FIELDS, number(tiff, directory, 2))):
            field = directory + 2 + at * _FIELD_BYTES
            if number(tiff, field, 2) != _ENTRIES_TAG:
                continue
            entries, held = number(tiff, field + 8, 4), number(tiff, field + 4, 4)
            for entry in range(1, min(_MAX_PICTURES, held // _ENTRY_BYTES)):
                place = entries + entry * _ENTRY_BYTES
                yield start + number(tiff, place + 8, 4), number(tiff, place + 4, 4)
    except ValueError:
        return  # an index that is cut off lists what it lists


def _is_applicable(second: Head, first: Head) -> bool:
    """Whether a further picture is a gain map that tells how to apply it, of a sensible size."""
    is_told = bool(_names(second)) or any(map(_is_whole_iso, second.described))
    is_flat = second.width_px <= _MAX_FACTOR * first.width_px
    is_sized = is_flat and 0 < second.height_px <= _MAX_FACTOR * first.height_px
    return is_told and is_sized and second.bands in _BANDS


def _is_whole_iso(segment: parts.Segment) -> bool:
    return parts.is_iso_gain_map(segment) and len(segment.body) <= _MAX_ISO_BYTES


def _names(head: Head) -> bytes:
    """Return what a gain map's XMP says of it, as one `rdf:Description`; nothing for no word."""
    packet = b"".join(parts.xmp_of(segment) for segment in head.described)
    attributes = dict(_ATTRIBUTE.findall(packet)[:_MAX_NAMES])
    elements = dict(_ELEMENT.findall(packet)[:_MAX_NAMES])
    sequences = dict(_SEQUENCE.findall(packet)[:_MAX_NAMES])
    used = {name.partition(b":")[0] for name in (*attributes, *elements, *sequences)}
    if not used & {b"hdrgm", b"HDRGainMap"}:
        return b""
    spaces = b"".join(b' xmlns:%b="%b"' % (name, _NAMESPACES[name]) for name in sorted(used))
    inside = b"".join(b"<%b>%b</%b>" % (name, text, name) for name, text in elements.items())
    for name, text in sequences.items():
        items = b"".join(_ITEM.findall(text))
        inside += b"<%b><rdf:Seq>%b</rdf:Seq></%b>" % (name, items, name)
    plain = b"".join(b' %b="%b"' % pair for pair in attributes.items())
    return b'<rdf:Description rdf:about=""%b%b>%b</rdf:Description>' % (spaces, plain, inside)
