"""Draw the README's picture of a run: a real one, in a terminal of tmux, as SVG.

Run as `python bench/picture.py` with tmux installed and ../shared/corpora beside the checkout.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "bench" / "results" / "run.svg"
COMMAND = "pixmill optimize photos web --resize 1920 --quality 82"
COLUMNS = 106


def tmux(*words: str) -> str:
    """Run a tmux command and return what it printed."""
    return subprocess.run(["tmux", *words], check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Run pixmill over the photographs of the corpora, look twice, and draw."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "photos").symlink_to(ROOT.parent / "shared" / "corpora" / "photos")
        shell = f"cd {folder}; PATH={ROOT}/.venv/bin:$PATH {COMMAND}; sleep 30"
        tmux("new-session", "-d", "-s", "picture", "-x", str(COLUMNS), "-y", "24", shell)
        try:
            half_way = wait_for(" 5", "%", " left")
            ended = wait_for("images/s")
        finally:
            tmux("kill-session", "-t", "picture")
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(f"$ {COMMAND}", style="bold")
    console.print(Text.from_ansi(half_way))
    console.print(Text("  ...\n", style="dim"))
    console.print(Text.from_ansi(ended))
    PICTURE.parent.mkdir(exist_ok=True)
    drawn = console.export_svg(title="pixmill")
    # The stock template fetches its font from the network; a picture in a README must not.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL))


def wait_for(*words: str) -> str:
    """Return the screen, blank lines at its end left out, once it shows all of some words."""
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        screen = tmux("capture-pane", "-p", "-e", "-t", "picture").rstrip()
        if all(word in screen for word in words):
            return screen
        time.sleep(0.5)
    raise TimeoutError(f"the run never showed {words}")


if __name__ == "__main__":
    main()
