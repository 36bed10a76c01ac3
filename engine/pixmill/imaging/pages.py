"""Treat stacked pages one by one, so that no edit bleeds from one frame into the next.

Must not know what the edit is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyvips

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["by_page", "first_page", "page_count", "page_height"]

PAGE_HEIGHT = "page-height"


def page_height(image: pyvips.Image) -> int:
    """Return the height of one page; the whole height where pages are not stacked."""
    if not image.get_typeof(PAGE_HEIGHT):
        return int(image.height)
    height_px = int(image.get(PAGE_HEIGHT))
    return height_px if height_px > 0 and image.height % height_px == 0 else int(image.height)


def page_count(image: pyvips.Image) -> int:
    """Return the number of stacked pages."""
    return int(image.height) // page_height(image)


def first_page(image: pyvips.Image) -> pyvips.Image:
    """Return the first of the stacked pages."""
    return image.crop(0, 0, image.width, page_height(image))


def by_page(image: pyvips.Image, edit: Callable[[pyvips.Image], pyvips.Image]) -> pyvips.Image:
    """Return the image with every page edited by itself; all edits must give one size."""
    pages = page_count(image)
    if pages == 1:
        return edit(image)
    height_px = page_height(image)
    edited = [
        edit(image.crop(0, index * height_px, image.width, height_px)) for index in range(pages)
    ]
    roll = pyvips.Image.arrayjoin(edited, across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, PAGE_HEIGHT, edited[0].height)
    return roll
