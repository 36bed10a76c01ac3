"""Whether workers can be confined as the settings ask, told before a run begins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixmill.errors import RunError
from pixmill.settings import Sandbox, Symlinks

if TYPE_CHECKING:
    from pixmill.sandbox import Offer
    from pixmill.settings import Settings

__all__ = ["confinement_warnings", "readable"]


def confinement_warnings(
    settings: Settings, offer: Offer, *, is_source_inside: bool
) -> tuple[str, ...]:
    """Return what the user should know of how far workers will be confined.

    Args:
        settings: How the run is carried out.
        offer: What this system can confine a process with.
        is_source_inside: Whether the output folder holds the source.

    Raises:
        RunError: The sandbox is required, and this system does not offer it.
    """
    if settings.sandbox is Sandbox.OFF:
        return ()
    missing = "; ".join(offer.missing)
    if missing and settings.sandbox is Sandbox.REQUIRE:
        raise RunError(f"--sandbox require cannot be met here, see pixmill doctor: {missing}")
    warnings = [f"workers are not wholly confined: {missing}"] if missing else []
    if settings.symlinks is Symlinks.FOLLOW:
        warnings.append("--symlinks follow lets workers read every file: links may lead anywhere")
    if is_source_inside and not settings.dry_run:
        warnings.append("the output holds the input, so the sandbox cannot keep workers off it")
    return tuple(warnings)


def readable(settings: Settings, source_root: str, only: str) -> str:
    """Return the one file or folder of the user's that workers must read.

    Args:
        settings: How the run is carried out.
        source_root: Absolute path that sources are relative to.
        only: The one source, relative to it; empty for all.
    """
    if settings.symlinks is Symlinks.FOLLOW:
        return os.sep
    return f"{source_root}/{only}" if only else source_root
