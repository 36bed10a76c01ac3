"""The coordinator's side never loads a codec library, and the pure core no door to the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pixmill

ROOT = Path(pixmill.__file__).parent
CODEC_LIBRARIES = {"pyvips", "PIL", "pi_heif", "_pi_heif", "_cffi_backend"}
LIBRARIES = {*CODEC_LIBRARIES, "numpy"}
DOORS = {
    *LIBRARIES,
    *("os", "time", "random", "secrets", "pathlib", "tempfile", "shutil", "threading"),
    *("multiprocessing", "subprocess", "socket", "sqlite3", "psutil", "asyncio", "concurrent"),
}
PURE = [
    *(
        "dispatch",
        "geometry",
        "planning",
        "naming",
        "model",
        "recipe",
        "settings",
        "header",
        "plan",
    ),
    *("protocol", "stats", "sizing", "content", "units", "registry", "reporting", "verdicts"),
    "executors/chunks",
    *("perception/scales", "perception/metric", "perception/mosaic"),
    *(f"strategies/{path.stem}" for path in (ROOT / "strategies").glob("*.py")),
    *(f"operations/{path.stem}" for path in (ROOT / "operations").glob("*.py")),
    *(f"codecs/{path.stem}" for path in (ROOT / "codecs").glob("*.py")),
]


def _is_for_types(node: ast.AST) -> bool:
    is_name = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    return is_name and node.test.id == "TYPE_CHECKING"  # type: ignore[attr-defined]  # is_name


def _imports(node: ast.AST) -> set[str]:
    """Return the top-level packages that code imports when it runs, at any depth."""
    if _is_for_types(node):
        return set()
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {name for child in ast.iter_child_nodes(node) for name in _imports(child)}


def _imports_of(path: Path) -> set[str]:
    return _imports(ast.parse(path.read_text()))


@pytest.mark.parametrize(
    "modules",
    ["pixmill", "pixmill.api", "pixmill.coordinator", "pixmill_cli.app", "pixmill_cli.entry"],
)
def test_the_coordinators_side_loads_no_codec_library(modules: str) -> None:
    """Importing what runs in the coordinator leaves pyvips and Pillow where they are."""
    code = f"import sys, {modules}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert not loaded & LIBRARIES
    assert "pixmill.imaging" not in ended.stdout.split()


def test_the_coordinators_side_leaves_planning_to_workers() -> None:
    """What plans an image costs the coordinator nothing, not even to load."""
    code = "import sys, pixmill.api; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    workers = {
        "pixmill.planning",
        "pixmill.costing",
        "pixmill.operations",
        "pixmill.perception.metric",
    }
    assert not workers & set(ended.stdout.split())


def test_every_codec_record_loads_without_its_library() -> None:
    """All records can be asked what they can do where no codec library may be loaded."""
    code = "import sys; from pixmill.registry import codecs; codecs(); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {name.partition(".")[0] for name in ended.stdout.split()} & LIBRARIES


@pytest.mark.parametrize("module", PURE)
def test_the_pure_core_has_no_door(module: str) -> None:
    """A pure module imports no clock, randomness, files, processes or codec library."""
    assert not _imports_of(ROOT / f"{module}.py") & DOORS


def test_only_imaging_opens_the_codec_libraries() -> None:
    """No module but those of `imaging` imports pyvips or Pillow."""
    opened = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        if _imports_of(path) & CODEC_LIBRARIES
    }
    assert opened == {"imaging"}


def test_only_the_fallback_of_the_metric_opens_numpy() -> None:
    """No module but one imports numpy, and scoring with the compiled kernel does not load it."""
    opened = [path.name for path in ROOT.rglob("*.py") if "numpy" in _imports_of(path)]
    assert opened == ["arrays.py"]
    code = (
        "import sys; from pixmill.perception.metric import Raster, score; "
        "grey = Raster(bytes(300), 10, 10); print(score(grey, grey), *sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.startswith("100.0 ")
    assert not {name.partition(".")[0] for name in ended.stdout.split()} & LIBRARIES
