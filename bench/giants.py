"""Images larger than memory: how much the process tree holds and how long they take.

Makes a TIFF of 40,000 x 40,000 pixels (4.8 GB), a PNG of 30,000 x 30,000 and the largest JPEG there
is, 65,500 x 65,500, out of one photograph, and resizes each to 2048 px with one worker. Fails where
the tree holds more than it was given. Run by `make bench-memory`, which keeps what it measured in
`bench/results/giants.json`. A minute and a half, 5 GB of disc at a time; `--only tiff` less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyvips

from memory import COMMAND, Sampler

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE: Final = Path(__file__).parents[1] / "tests" / "sample" / "travel" / "lake.jpg"
RECORD: Final = Path(__file__).with_name("results") / "giants.json"
EDGE_PX: Final = 2048
_MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Giant:
    """One image that no worker could hold.

    Attributes:
        name: Its file.
        edge_px: Its width and height.
        memory: What the process tree may hold.
        options: How it is saved.
        is_deep: Whether it has 16 bits a band. Default: 8.
    """

    name: str
    edge_px: int
    memory: int
    options: Mapping[str, int | bool | str]
    is_deep: bool = False


GIANTS: Final = {
    "tiff": Giant("giant.tif", 40_000, 200_000_000, {"bigtiff": True}),
    "png": Giant("giant.png", 30_000, 300_000_000, {"compression": 1, "filter": "none"}),
    "jpg": Giant("giant.jpg", 65_500, 300_000_000, {"Q": 75}),
    "lzw": Giant("lzw.tif", 20_000, 200_000_000, {"compression": "lzw", "tile_height": 16}),
    "tiles": Giant("tiles.tif", 20_000, 200_000_000, {"tile": True, "compression": "deflate"}),
    "deep": Giant("deep.tif", 20_000, 200_000_000, {"tile_height": 16}, is_deep=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How one of them went."""

    file: str
    edge_px: int
    file_bytes: int
    memory_bytes: int
    tree_bytes: int
    seconds: float
    exit_code: int

    @property
    def is_kept(self) -> bool:
        """Whether it was made inside its memory."""
        return self.exit_code == 0 and self.tree_bytes <= self.memory_bytes


def write(giant: Giant, folder: Path) -> None:
    """Make it, strip by strip."""
    photo = pyvips.Image.new_from_file(str(SAMPLE)).copy_memory()
    across = -(-giant.edge_px // photo.width)
    down = -(-giant.edge_px // photo.height)
    image = photo.replicate(across, down).crop(0, 0, giant.edge_px, giant.edge_px)
    if giant.is_deep:
        image = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    image.write_to_file(str(folder / giant.name), **giant.options)


def measure(giant: Giant, folder: Path) -> Measured:
    """Resize it with one worker."""
    path = folder / giant.name
    command = [COMMAND, "optimize", str(path), str(folder / "out"), "--resize", str(EDGE_PX)]
    command += ["--parallel", "1", "--memory", f"{giant.memory}"]
    command += ["--max-stream-pixels", "5000000000", "--max-file-size", "6GB"]
    began_s = time.monotonic()
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process,
        Sampler(process.pid) as sampler,
    ):
        _, told = process.communicate()
    seconds = time.monotonic() - began_s
    print(
        f"{giant.name}: {giant.edge_px} x {giant.edge_px} to {EDGE_PX} px, exit code "
        f"{process.returncode}, {seconds:.0f} s, tree at most {sampler.tree_bytes / _MB:.1f} MB "
        f"of {giant.memory / _MB:.0f}",
        flush=True,
    )
    if process.returncode:
        print(told.decode(errors="replace"))
    return Measured(
        file=giant.name,
        edge_px=giant.edge_px,
        file_bytes=path.stat().st_size,
        memory_bytes=giant.memory,
        tree_bytes=sampler.tree_bytes,
        seconds=round(seconds, 1),
        exit_code=process.returncode,
    )


def machine() -> dict[str, str | int | None]:
    """Return what the figures depend on."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    versions = (pyvips.version(0), pyvips.version(1), pyvips.version(2))
    return {
        "cpu": found[1] if found else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libvips": ".".join(map(str, versions)),
    }


def main() -> int:
    """Measure as the command line says; keep the figures of a whole round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=GIANTS)
    parser.add_argument("--folder", type=Path, help="where there is room; default: a temporary one")
    args = parser.parse_args()
    wanted = [GIANTS[args.only]] if args.only else [*GIANTS.values()]
    found = []
    for giant in wanted:
        place = Path(tempfile.mkdtemp(prefix="pixmill-giants-", dir=args.folder))
        try:
            write(giant, place)
            found.append(measure(giant, place))
        finally:
            shutil.rmtree(place)
    if not args.only:
        record = {"machine": machine(), "giants": [asdict(one) for one in found]}
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    return 0 if all(one.is_kept for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
