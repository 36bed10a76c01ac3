"""Measure how the score depends on quality: the score curves of each lossy codec's record.

Prints the mean score over the tuning half of the photos (`size_tables`) at each of
`strategies.curve.CURVE_QUALITIES`, with chroma halved and with chroma whole, ready for the record.
Run `python bench/score_curves.py`, or with the names of codecs; all take five minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Final

import pyvips

from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import Judge
from pixmill.strategies.curve import CURVE_QUALITIES
from pixmill.vocabulary import Effort
from size_tables import photos, source_of

PHOTOS: Final = {"jpg": 99, "webp": 99, "avif": 14}


def score_curve(encoding: Encoding, most: int) -> list[float]:
    """Return the mean score at each quality of an encoding."""
    scores: list[list[float]] = []
    for path in photos(is_proof=False)[:most]:
        source = source_of(encoding.codec, path)
        image = pyvips.Image.new_from_buffer(source, "").copy_memory()
        judge = Judge(image)
        candidates = (replace(encoding, quality=quality) for quality in CURVE_QUALITIES)
        scores.append([judge.score(encoded(image, each), each.codec) for each in candidates])
    return [sum(column) / len(column) for column in zip(*scores, strict=True)]


def main() -> None:
    """Print two lines a codec, ready for its record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codecs", nargs="*", default=list(PHOTOS), choices=list(PHOTOS))
    for name in parser.parse_args().codecs:
        halved = Encoding(codec=name, quality=1, effort=Effort.BALANCED, is_subsampled=True)
        whole = replace(halved, is_subsampled=False, is_full_chroma=True)
        for field, encoding in (("score_curve", halved), ("full_score_curve", whole)):
            points = ", ".join(f"{point:.1f}" for point in score_curve(encoding, PHOTOS[name]))
            print(f"{name}: {field}=({points}),", flush=True)


if __name__ == "__main__":
    main()
