"""Where the corpora of real and damaged images lie, for the tests that need them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

__all__ = ["CORPORA", "corpus_files", "needs_corpora"]

CORPORA: Final = Path(__file__).parents[2] / "shared" / "corpora"

needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="needs the image corpora in ../shared/corpora"
)


def corpus_files(subdir: str = ".", pattern: str = "**/*") -> list[Path]:
    """Return the image files below a folder of the corpora, sorted; none where it is missing."""
    return sorted(
        path
        for path in (CORPORA / subdir).glob(pattern)
        if path.is_file() and path.suffix not in {".md", ".tsv"}
    )
