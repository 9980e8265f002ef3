from pathlib import Path

import pytest
from artstore.swiftpackage import BuildFailed, build, read_xunit


def test_counts_cases_and_takes_a_skipped_one_for_a_failure(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="A" name="a"/>'
        '<testcase classname="A" name="b"><failure message="no"/><failure message="never"/></testcase>'
        '<testcase classname="A" name="c"><skipped message="later"/></testcase></testsuite></testsuites>'
    )
    outcome = read_xunit(report)
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert outcome.failures[0] == "A.b: no\n    never"


def _fake_swift(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "swift"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("artstore.paths.SWIFT", folder / "scratch")


def test_another_packages_plan_is_forgotten_and_ones_own_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_swift(tmp_path, monkeypatch, "exit 0")
    plan = tmp_path / "scratch/x86_64/debug/description.json"
    plan.parent.mkdir(parents=True)
    build("appliance", "debug", [], tmp_path / "log")
    plan.write_text("the appliance's")
    build("appliance", "debug", [], tmp_path / "log")
    assert plan.exists()
    build("appliance", "release", [], tmp_path / "log")
    assert plan.exists(), "the other configuration has a plan of its own"
    build("controlplane", "debug", [], tmp_path / "log")
    assert not plan.exists()


def test_an_error_of_the_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_swift(tmp_path, monkeypatch, "echo 'error: cannot find y in scope'; exit 1")
    with pytest.raises(BuildFailed, match="cannot find y"):
        build("kit", "debug", [], tmp_path / "log")
