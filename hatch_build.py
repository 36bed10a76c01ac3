"""The build hook: compile what is C where there is a compiler, and go on without it.

A wheel with it is for one platform and any Python; one without is for all, and depends on numpy,
which then computes scores; libjpeg then makes the codes of JPEGs. Must not fail a build.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES: Final = "engine"
_LIBRARIES: Final = {
    "pixmill/perception/kernel.c": "pixmill/perception/_kernel.so",
    "pixmill/imaging/huffman.c": "pixmill/imaging/_huffman.so",
}
# No contraction: the answer must not depend on whether a processor has FMA.
_FLAGS: Final = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
_SHARED: Final = ("-fPIC", "-shared", "-fvisibility=hidden")
_COMPILERS: Final = ("cc", "gcc", "clang")
_PATIENCE_S: Final = 120


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]  # its configuration is not used
    """Put what is compiled into the wheel, or beside its source for an editable one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say in the build's data what came of it."""
        sources, is_editable = Path(self.root, _SOURCES), version == "editable"
        self._made = tempfile.TemporaryDirectory()  # removed with the hook
        folder = sources if is_editable else Path(self._made.name)
        made = {name: folder / name for name in _LIBRARIES.values()}
        compiled = [_is_compiled(sources / each, made[name]) for each, name in _LIBRARIES.items()]
        if not all(compiled):
            self.app.display_warning("no C compiler: scores will be computed by numpy, slowly")
            build_data["dependencies"].append("numpy>=2.0")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        if not is_editable:
            build_data["force_include"] |= {str(path): name for name, path in made.items()}


def _is_compiled(source: Path, library: Path) -> bool:
    compiler = _compiler()
    library.parent.mkdir(parents=True, exist_ok=True)
    library.unlink(missing_ok=True)  # one of older source would be worse than none
    if not compiler:
        return False
    command = [*compiler, *_FLAGS, *_SHARED, "-o", str(library), str(source)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return library.is_file()


def _compiler() -> list[str]:
    """Return the compiler's command: `CC` where it is set, else one that is found."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    return next(([path] for name in _COMPILERS if (path := shutil.which(name))), [])
