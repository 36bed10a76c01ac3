"""Where the command `pixmill` starts: from an exception to a message and an exit code.

Imports next to nothing at module level, so that `--version` answers at once.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from pixmill_cli.version import version_line  # noqa: PLC0415 - nothing else is needed

        sys.stdout.write(version_line() + "\n")
        return 0
    try:
        return _run()
    finally:
        _close_stdout()


def _run() -> int:
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


def _close_stdout() -> None:
    """Flush now, so that a reader who left makes no noise when the interpreter ends."""
    import os  # noqa: PLC0415 - only at the end

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
