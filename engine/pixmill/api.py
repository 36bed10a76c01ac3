"""What users import: runs over folders, and single images in this process.

`optimize` contains every codec in worker processes. `optimize_bytes`, `optimize_file` and
`inspect` load pyvips into the calling process and are not contained: what crashes a codec crashes
the caller.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pixmill.collector import Collector
from pixmill.coordinator import Coordinator
from pixmill.dispatch import Rules
from pixmill.errors import ImageError, OptionError, RunError
from pixmill.executors.local import LocalExecutor
from pixmill.feeding import Feeder
from pixmill.machine import available_memory_bytes, usable_cpus
from pixmill.model import Failed, FailureKind, Stage
from pixmill.protocol import DEFAULT_MILL, Setup, StopMode
from pixmill.recipe import Recipe
from pixmill.registry import codec, codecs, recognised, suffix_owner
from pixmill.reporting import FanOut, Reporter, RunFacts
from pixmill.settings import IfExists, Settings
from pixmill.sizing import Sizing, sized
from pixmill.stats import Ahead
from pixmill.storage.local import HEAD_BYTES, Destination, read_head, write_all
from pixmill.survey import Survey
from pixmill.walking import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pixmill.codecs.spec import CodecSpec
    from pixmill.header import Header
    from pixmill.milling import Product
    from pixmill.model import Outcome
    from pixmill.reporting import Summary

__all__ = [
    "FormatSupport",
    "Run",
    "decode_cost",
    "formats",
    "inspect",
    "optimize",
    "optimize_bytes",
    "optimize_file",
]


@dataclass(slots=True)
class Run:
    """A run over a folder: an iterator of outcomes and a context manager.

    Work goes on while outcomes are taken; a caller that takes none for a while finds the workers
    at rest behind a bounded queue. Leaving the `with` block, or `close`, ends it.
    """

    _coordinator: Coordinator
    _survey: Survey | None = None
    _outcomes: Iterator[Outcome] = field(init=False)
    _summary: Summary | None = None

    def __post_init__(self) -> None:
        """Make ready; workers start with the first outcome that is asked for."""
        self._outcomes = self._coordinator.outcomes()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        try:
            return next(self._outcomes)
        except BaseException:  # the end of the run included
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def summary(self) -> Summary:
        """How the run ended.

        Raises:
            RunError: It has not ended yet.
        """
        if self._summary is None:
            raise RunError("the run has not ended: take its outcomes or close it first")
        return self._summary

    def drain(self) -> None:
        """Take no more work, finish what is in hand; safe in a signal handler."""
        self._coordinator.stop(StopMode.DRAIN)

    def abort(self) -> None:
        """Stop at once; safe in a signal handler."""
        self._coordinator.stop(StopMode.ABORT)

    def close(self) -> None:
        """Cancel what is not done and leave nothing running; may be called twice."""
        if self._summary is None:
            self._coordinator.end()
            if self._survey is not None:
                self._survey.stop()
            self._summary = self._coordinator.summary()


def optimize(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    mill: str = DEFAULT_MILL,
) -> Run:
    """Make every image under a folder, in worker processes.

    Args:
        source: A folder, or one image file.
        destination: The folder that results are published into.
        recipe: What is wanted of every image. Default: compress, metadata reduced.
        settings: How the run is carried out. Default: see `Settings`.
        reporter: An observer. Default: none, and nothing is counted ahead.
        mill: `module:function` that makes one image, for plug-ins. Default: pixmill's own.

    Returns:
        An iterator of outcomes; the work is done while it is taken.

    Raises:
        OptionError: Source and destination cannot be used together.
        RunError: The destination cannot be made.
    """
    recipe, settings = recipe or Recipe(), settings or Settings()
    roots = _Roots.of(source, destination)
    publisher = Destination(roots.destination)
    if not settings.dry_run:
        publisher.prepare()
    sizing = _sized(settings)
    walker = Walker(roots.source, settings, roots.excluded)
    setup = Setup(
        slot=0,
        source_root=roots.source,
        destination_root=roots.destination,
        recipe=recipe,
        lease_bytes=sizing.lease_bytes,
        base_bytes=sizing.base_bytes,
        can_replace=settings.if_exists is IfExists.OVERWRITE,
        is_dry_run=settings.dry_run,
        mill=mill,
        caps=settings.caps,
    )
    executor = LocalExecutor(setup)
    survey = Survey(walker) if reporter is not None and not roots.only else None
    facts = _facts(source, destination, recipe, settings, sizing)
    coordinator = Coordinator(
        found=Feeder(walker, recipe, settings, publisher, roots.protected, roots.only).jobs(),
        rules=_rules(settings, sizing),
        executor=executor,
        collector=Collector(
            facts,
            reporter or FanOut(),
            survey.ahead if survey else Ahead(has_ended=True),
            executor.processes,
        ),
        destination=publisher,
        is_dry_run=settings.dry_run,
    )
    if survey is not None:
        survey.start()
    return Run(coordinator, survey)


def optimize_bytes(content: bytes, recipe: Recipe | None = None) -> bytes:
    """Make one image in this process, without containment.

    Args:
        content: An encoded image.
        recipe: What is wanted. Default: compress, metadata reduced.

    Returns:
        The encoded result; the content itself where nothing smaller was found.

    Raises:
        ImageError: It cannot be made.
    """
    product = _milled(content, recipe or Recipe())
    return content if product.content is None else _read_out(product)


def optimize_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    recipe: Recipe | None = None,
) -> int:
    """Make one image file in this process, without containment, and publish it atomically.

    Args:
        source: The image.
        destination: The file to write; one that stands there is replaced.
        recipe: What is wanted; its target format decides, not the destination's suffix.

    Returns:
        Bytes written.

    Raises:
        ImageError: It cannot be made.
        OptionError: Source and destination are one file.
        OSError: The source cannot be read or the destination not written.
    """
    target = os.path.abspath(destination)
    if os.path.realpath(source) == os.path.realpath(target):
        raise OptionError("source and destination are one file: choose another destination")
    with open(source, "rb") as stream:
        content = stream.read()
        mtime_ns = os.fstat(stream.fileno()).st_mtime_ns
    result = optimize_bytes(content, recipe)
    folder, name = os.path.split(target)
    return Destination(folder).publish(
        name,
        lambda descriptor: write_all(descriptor, result),
        mtime_ns=mtime_ns,
        can_replace=True,
    )


def inspect(path: str | os.PathLike[str]) -> Header:
    """Return what a file's header says, in this process, without containment.

    Raises:
        ImageError: It is no image that pixmill knows, or its header is broken.
        OSError: It cannot be opened.
    """
    from pixmill.imaging.errors import ImagingError  # noqa: PLC0415 - loads pyvips
    from pixmill.imaging.probe import probe  # noqa: PLC0415 - loads pyvips

    head = read_head(os.fspath(path), can_follow=True)
    name = _recognised(head.content)
    try:
        return probe(os.fspath(path), name)
    except ImagingError as error:
        raise ImageError(error.failure) from error


def decode_cost(header: Header) -> int:
    """Return the bytes of memory that decoding an image at full size holds."""
    spec = codec(header.codec)
    return spec.decode_cost(header, 1) if spec.decode_cost else 0


@dataclass(frozen=True, slots=True)
class FormatSupport:
    """What can be done with one format on this machine.

    Attributes:
        spec: The codec's record.
        can_read: Whether it can be read here.
        can_write: Whether it can be written here.
        library: Who does it, with its version.
        hint: What is missing and how to get it, or empty.
    """

    spec: CodecSpec
    can_read: bool
    can_write: bool
    library: str
    hint: str


def formats() -> list[FormatSupport]:
    """Return what can be read and written on this machine; loads pyvips into this process."""
    from pixmill.imaging.support import support  # noqa: PLC0415 - loads pyvips

    found = []
    for spec in codecs():
        here = support(spec)
        found.append(FormatSupport(spec, here.can_read, here.can_write, here.library, here.hint))
    return found


@dataclass(frozen=True, slots=True)
class _Roots:
    """Where a run reads and writes, as absolute paths that were checked against each other."""

    source: str
    destination: str
    only: str
    excluded: str
    protected: str

    @classmethod
    def of(cls, source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> _Roots:
        named, target = os.path.abspath(source), os.path.abspath(destination)
        if not os.path.exists(named):
            raise OptionError(f"the input {os.fspath(source)} does not exist", option="input")
        if os.path.exists(target) and not os.path.isdir(target):
            raise OptionError(
                f"the output {os.fspath(destination)} is a file: name a folder", option="output"
            )
        is_file = not os.path.isdir(named)
        if is_file and suffix_owner(os.path.splitext(target)[1]) and not os.path.isdir(target):
            raise OptionError(
                f"the output {os.fspath(destination)} is taken for a folder and looks like a "
                f"file: name a folder",
                option="output",
            )
        root, only = os.path.split(named) if is_file else (named, "")
        real_root, real_target = os.path.realpath(root), os.path.realpath(target)
        if real_root == real_target:
            raise OptionError(
                "input and output are one folder: choose another output, originals are never "
                "overwritten",
                option="output",
            )
        return cls(
            source=root,
            destination=target,
            only=only,
            excluded=real_target if _is_inside(real_target, real_root) else "",
            protected=os.path.relpath(real_root, real_target).replace(os.sep, "/")
            if _is_inside(real_root, real_target)
            else "",
        )


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _sized(settings: Settings) -> Sizing:
    memory_bytes = settings.memory_bytes or available_memory_bytes() // 2
    wanted = settings.parallel or usable_cpus()
    return sized(memory_bytes, wanted, was_asked=settings.parallel is not None)


def _rules(settings: Settings, sizing: Sizing) -> Rules:
    return Rules(
        slots=sizing.workers,
        budget_bytes=sizing.budget_bytes,
        base_bytes=sizing.base_bytes,
        timeout_s=settings.timeout_s,
        retries=settings.retries,
        resident_bytes=sizing.resident_bytes,
    )


def _facts(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    recipe: Recipe,
    settings: Settings,
    sizing: Sizing,
) -> RunFacts:
    return RunFacts(
        source=os.fspath(source),
        destination=os.fspath(destination),
        recipe=recipe.canonical(),
        fingerprint=recipe.fingerprint(),
        workers=sizing.workers,
        memory_bytes=settings.memory_bytes or available_memory_bytes() // 2,
        lease_bytes=sizing.lease_bytes,
        is_dry_run=settings.dry_run,
        warnings=sizing.warnings,
    )


def _recognised(head: bytes) -> str:
    name = recognised(head)
    if not name:
        message = "its content is no image that pixmill knows"
        raise ImageError(Failed(FailureKind.UNSUPPORTED, Stage.READ, message))
    return name


def _milled(content: bytes, recipe: Recipe) -> Product:
    from pixmill.milling import mill  # noqa: PLC0415 - loads pyvips
    from pixmill.planning import Limits  # noqa: PLC0415 - beside the mill it is for

    name = _recognised(content[:HEAD_BYTES])
    limits = Limits(available_memory_bytes())
    product = mill(content, name, recipe, limits, lease=lambda _cost_bytes: None)
    if isinstance(product, Failed):
        raise ImageError(product)
    return product


def _read_out(product: Product) -> bytes:
    if isinstance(product.content, bytes) or product.content is None:
        return product.content or b""
    with product.content as spool:
        spool.seek(0)
        return spool.read()
