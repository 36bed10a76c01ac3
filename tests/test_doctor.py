"""`pixmill doctor` tells what a system gives, and whether a worker can be confined on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pixmill import api
from pixmill.diagnosis import Finding
from pixmill.machine import file_system
from pixmill.sandbox import offered
from pixmill_cli.app import app
from pixmill_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    """Return what is found here."""
    return api.doctor()


def test_the_table_and_the_json_tell_the_same(findings: list[Finding]) -> None:
    """Every finding is in both, and the exit code is 1 where workers cannot be confined."""
    table = CliRunner().invoke(app, ["doctor"])
    document = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert table.exit_code == (ExitCode.SOME_FAILED if offered().missing else ExitCode.OK)
    assert document["schema"] == 1
    assert document["can_confine"] is not bool(offered().missing)
    assert [row["name"] for row in document["findings"]] == [each.name for each in findings]
    assert all(each.name in table.stdout for each in findings)


def test_only_what_the_sandbox_requires_decides(findings: list[Finding]) -> None:
    """A missing measure of memory is told; missing Landlock or seccomp is what fails."""
    assert [each.name for each in findings if each.is_required] == ["Landlock", "seccomp"]
    assert api.can_confine([Finding("memory measure", "", is_there=False)])
    assert not api.can_confine([Finding("Landlock", "", is_there=False, is_required=True)])


def test_the_kind_of_file_system_is_known_below_a_mount(tmp_path: Path) -> None:
    """A folder, and one that is not there yet, have the kind of the mount above them."""
    assert file_system(str(tmp_path)) == file_system(str(tmp_path / "not" / "there"))
