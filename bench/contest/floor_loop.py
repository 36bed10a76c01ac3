"""Do the codec calls of an order in a bare loop per core, and nothing else; see `contest.floor`.

Run as `python floor_loop.py ORDER.json`; must not import anything of pixmill's, nor pyvips before
its processes are forked, which libvips would not survive.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any


def make(call: dict[str, Any], destination: str) -> None:
    """Do the calls for one file."""
    import pyvips  # noqa: PLC0415 - as the docstring says

    image = pyvips.Operation.call(call["loader"], call["file"], access="sequential", **call["load"])
    width_px, height_px = call["size_px"]
    if (image.width, image.height) != (width_px, height_px):
        image = image.resize(width_px / image.width, vscale=height_px / image.height)
    if call["orientation"] != 1:
        image = image.copy_memory().autorot()
    content = pyvips.Operation.call(call["saver"], image, keep=0, **call["save"])
    Path(destination, call["result"]).write_bytes(content)


def main() -> None:
    """Do the job."""
    order = json.loads(Path(sys.argv[1]).read_text())
    os.environ["VIPS_CONCURRENCY"] = "1"
    with multiprocessing.get_context("fork").Pool(order["processes"]) as pool:
        make_here = partial(make, destination=order["destination"])
        for _ in pool.imap_unordered(make_here, order["calls"], chunksize=1):
            pass
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
