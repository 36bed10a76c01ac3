"""Where the command `pixmill` starts: from an exception to a message and an exit code.

Imports next to nothing at module level, so that `--version` answers at once.
"""

from __future__ import annotations

import gc
import sys

from pixmill_cli.headstart import seems_to_begin

__all__ = ["command", "main"]

_YOUNG_OBJECTS = 10_000
"""New objects between two looks for garbage. Python's own 700 have it look through all that is
loaded while it is being loaded, for 24 of 254 ms of CPU."""


def command() -> None:
    """Be the process `pixmill`: run the command line, then end without taking Python apart.

    Unloading what a run has loaded took 39 of 254 ms of CPU, and whoever called waits for it. What
    others have registered for the end is done, and a thread that still runs is waited for.
    """
    try:
        code: str | int | None = main()
    except SystemExit as ended:
        code = ended.code
    import atexit  # noqa: PLC0415 - only at the end
    import os  # noqa: PLC0415 - likewise
    import threading  # noqa: PLC0415 - likewise

    if not isinstance(code, int) or threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing public does it, and os._exit does not
    _flush()
    os._exit(code)


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from pixmill_cli.version import version_line  # noqa: PLC0415 - nothing else is needed

        sys.stdout.write(version_line() + "\n")
        return 0
    try:
        return _run()
    finally:
        _flush()


def _run() -> int:
    gc.set_threshold(_YOUNG_OBJECTS)
    if not seems_to_begin(sys.argv[1:]):
        return _carried_out()
    from pixmill.executors.nest import abandon, build_ahead  # noqa: PLC0415 - see `headstart`

    build_ahead()
    try:
        return _carried_out()
    finally:
        abandon()


def _carried_out() -> int:
    # Typer and the options take 100 ms to import: only now.
    from pixmill.errors import OptionError, RunError  # noqa: PLC0415 - see above
    from pixmill_cli.app import app  # noqa: PLC0415 - see above
    from pixmill_cli.exit_codes import ExitCode  # noqa: PLC0415 - see above
    from pixmill_cli.screen import complain  # noqa: PLC0415 - see above

    try:
        app(prog_name="pixmill")
    except OptionError as error:
        complain(error)
        return ExitCode.USAGE
    except RunError as error:
        complain(error)
        return ExitCode.RUN_FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _flush() -> None:
    """Flush now, so that a reader who left makes no noise when the interpreter ends."""
    import os  # noqa: PLC0415 - only at the end

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    command()
