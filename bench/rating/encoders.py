"""Encoders by name: pixmill's efforts, Pillow, and peers where they are installed.

Each is given pixels and a quality of its own scale, and gives back bytes and the CPU they took, all
on one thread. Command lines read a PPM or a PNG, jpegoptim a JPEG of quality 100; their start is
part of their time.
"""

from __future__ import annotations

import io
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from pixmill.codecs.spec import Encoding, Packing
from pixmill.imaging.encode import encoded
from pixmill.imaging.pack import packed
from pixmill.registry import codec
from pixmill.vocabulary import Effort
from rating.sharp import Sharp, has_sharp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rating.pictures import Picture

__all__ = ["Encoded", "Encoder", "encoders"]

_QUANTIZERS: Final = 63


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder made of a picture."""

    content: bytes
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Encoder:
    """One way to encode.

    Attributes:
        name: As the tables have it.
        encode: Makes bytes of a picture at a quality; `None` where it is not installed.
    """

    name: str
    encode: Callable[[Picture, int], Encoded] | None


def encoders(family: str) -> list[Encoder]:
    """Return the encoders of a family; the first is what the others are compared with."""
    peers: dict[str, Callable[[], Iterable[Encoder]]] = {
        "jpg": _jpg_peers,
        "webp": _webp_peers,
        "avif": _avif_peers,
        "png": _png_peers,
        "palette": _palette_peers,
    }
    return [*peers[family](), *_pixmill(family)]


def _pixmill(family: str) -> Iterator[Encoder]:
    for effort in Effort:
        match family:
            case "png":
                yield Encoder(f"pixmill {effort}", _timed(_packing(effort)))
            case "palette":
                yield Encoder(f"pixmill {effort}", _timed(_reducing(effort)))
            case name:
                yield Encoder(f"pixmill {effort}", _timed(_lossy(name, effort)))


def _lossy(name: str, effort: Effort) -> Callable[[Picture, int], bytes]:
    def encode(picture: Picture, quality: int) -> bytes:
        encoding = Encoding(
            codec=name, quality=quality, effort=effort, is_full_chroma=picture.is_drawn
        )
        return encoded(picture.image, encoding)

    return encode


def _packing(effort: Effort) -> Callable[[Picture, int], bytes]:
    def encode(picture: Picture, _quality: int) -> bytes:
        is_flat = picture.is_drawn
        encoding = Encoding(codec="png", quality=None, effort=effort, is_flat=is_flat)
        return _repacked(picture, encoded(picture.image, encoding), effort)

    return encode


def _reducing(effort: Effort) -> Callable[[Picture, int], bytes]:
    def encode(picture: Picture, quality: int) -> bytes:
        encoding = Encoding(
            codec="png",
            quality=quality,
            effort=effort,
            is_palette=True,
            is_flat=picture.is_drawn,
        )
        return _repacked(picture, encoded(picture.image, encoding), effort)

    return encode


def _repacked(picture: Picture, content: bytes, effort: Effort) -> bytes:
    packings, pixels = codec("png").packings, picture.image.width * picture.image.height
    return packed(content, packings(effort, pixels, len(content)) if packings else ())


def _jpg_peers() -> Iterator[Encoder]:
    yield Encoder("Pillow", _pillow("JPEG"))
    yield _command("cjpeg", "cjpeg -quality {quality} -outfile {output} {input}")
    options = "-progressive -optimize -quality {quality} -outfile {output}"
    yield _command("cjpeg -progressive", f"cjpeg {options} {{input}}")
    yield _command("jpegoptim -m", "jpegoptim -q -s -m{quality} --stdout {jpeg}")
    yield _sharp("sharp", "jpeg")
    yield _sharp("sharp mozjpeg", "jpeg", mozjpeg=True)


def _webp_peers() -> Iterator[Encoder]:
    for effort in (4, 2, 6):
        words = f"cwebp -quiet -m {effort} -q {{quality}} {{input}} -o {{output}}"
        yield _command(f"cwebp -m {effort}", words)
    yield Encoder("Pillow", _pillow("WEBP"))
    yield _sharp("sharp", "webp")


def _avif_peers() -> Iterator[Encoder]:
    # The speeds of pixmill's efforts: libvips counts 9 - effort. Left alone, avifenc keeps chroma
    # whole, where pixmill halves it for photographs.
    for speed in (6, 7, 8):
        quality = "--min 0 --max 63 -a end-usage=q -a cq-level={quantizer}"
        options = f"-s {speed} -j 1 -d 8 -y {{chroma}} {quality}"
        yield _command(f"avifenc -s {speed}", f"avifenc {options} {{png}} {{output}}")
    yield Encoder("Pillow", _pillow("AVIF", max_threads=1))
    yield _sharp("sharp", "avif")


def _png_peers() -> Iterator[Encoder]:
    yield Encoder(
        "oxipng, its default", _timed(lambda picture, _: packed(_plain(picture), (Packing(2),)))
    )
    yield Encoder("Pillow optimize", _pillow("PNG", optimize=True))
    yield _sharp("sharp", "png")


def _palette_peers() -> Iterator[Encoder]:
    yield _command("pngquant", "pngquant --quality 0-{quality} -o {output} {png}")
    yield _sharp("sharp palette", "png", palette=True)


def _pillow(form: str, **options: object) -> Callable[[Picture, int], Encoded]:
    def encode(picture: Picture, quality: int) -> bytes:
        held = io.BytesIO()
        size = (picture.image.width, picture.image.height)
        Image.frombytes("RGB", size, picture.pixels).save(held, form, quality=quality, **options)
        return held.getvalue()

    return _timed(encode)


def _timed(encode: Callable[[Picture, int], bytes]) -> Callable[[Picture, int], Encoded]:
    def timed(picture: Picture, quality: int) -> Encoded:
        start_s = time.process_time()
        content = encode(picture, quality)
        return Encoded(content, time.process_time() - start_s)

    return timed


def _sharp(name: str, form: str, **options: object) -> Encoder:
    if not has_sharp():
        return Encoder(name, None)

    def encode(picture: Picture, quality: int) -> Encoded:
        asked = {**options, "quality": quality} if form != "png" or options else {}
        made = Sharp.running().encode(picture, form, asked)
        return Encoded(made.content, made.cpu_s)

    return Encoder(name, encode)


def _command(name: str, words: str) -> Encoder:
    """Return an encoder that runs the program that its name begins with."""
    if shutil.which(name.split(maxsplit=1)[0]) is None:
        return Encoder(name, None)

    def encode(picture: Picture, quality: int) -> Encoded:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "output")
            spelled = _Inputs(picture, Path(folder)).spelled(words, quality, output)
            start_s = _children_s()
            done = subprocess.run(spelled, check=True, capture_output=True)
            cpu_s = _children_s() - start_s
            return Encoded(output.read_bytes() if output.exists() else done.stdout, cpu_s)

    return Encoder(name, encode)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Files that programs read, made as they are asked for."""

    picture: Picture
    folder: Path

    def spelled(self, words: str, quality: int, output: Path) -> list[str]:
        """Return the command with its blanks filled."""
        quantizer = round((100 - quality) * _QUANTIZERS / 100)
        made = {
            "quality": str(quality),
            "quantizer": str(quantizer),
            "chroma": "444" if self.picture.is_drawn else "420",
            "output": str(output),
        }
        for kind, write in (("input", self._ppm), ("png", self._png), ("jpeg", self._jpeg)):
            if f"{{{kind}}}" in words:
                made[kind] = str(write())
        return [word.format(**made) for word in words.split()]

    def _ppm(self) -> Path:
        image = self.picture.image
        path = self.folder / "input.ppm"
        head = f"P6\n{image.width} {image.height}\n255\n".encode()
        path.write_bytes(head + self.picture.pixels)
        return path

    def _png(self) -> Path:
        path = self.folder / "input.png"
        path.write_bytes(_plain(self.picture))
        return path

    def _jpeg(self) -> Path:
        path = self.folder / "input.jpg"
        path.write_bytes(_pillow("JPEG")(self.picture, 100).content)
        return path


def _plain(picture: Picture) -> bytes:
    return bytes(picture.image.pngsave_buffer(compression=1, keep="none"))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
