"""`pixmill doctor` tells what a system gives, and whether a worker can be confined on it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pixmill import api, diagnosis
from pixmill.diagnosis import Finding
from pixmill.extras import Package
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


def test_what_holds_of_object_stores(findings: list[Finding]) -> None:
    """A ferry is tried, and whether workers reach the network is as the sandbox has it."""
    named = {each.name: each for each in findings}
    assert named["object stores"].value.startswith("obstore ")
    assert named["ferry"].is_there
    assert named["workers beside a ferry"].is_there is offered().has_seccomp


def test_a_ferry_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started for it, the reason is in the table, and nothing is raised."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = {each.name: each for each in diagnosis._stores(offered())}
    assert not found["ferry"].is_there
    assert "cannot start a ferry" in found["ferry"].value


def test_what_object_stores_need_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without obstore the table says how to get it, and tries nothing."""
    monkeypatch.setattr(diagnosis, "OBSTORE", Package("no_such_module", "cloud"))
    (found,) = diagnosis._stores(offered())
    assert not found.is_there
    assert found.value == "pip install 'pixmill[cloud]'"
