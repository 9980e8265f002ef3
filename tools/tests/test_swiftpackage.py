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


def _fake_swift(folder: Path, monkeypatch: pytest.MonkeyPatch, message: str) -> Path:
    """A `swift` that fails with the message the first time it is called, and counts its calls."""
    calls = folder / "calls"
    program = folder / "swift"
    first = f'[ "$(wc -l < {calls})" -gt 1 ] || {{ echo "{message}"; exit 1; }}'
    program.write_text(f"#!/bin/sh\necho x >> {calls}\n{first}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


def test_another_packages_plan_is_met_with_a_second_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fake_swift(tmp_path, monkeypatch, "error: No target named 'x' in build description")
    build("kit", "debug", [], tmp_path / "log")
    assert len(calls.read_text().splitlines()) == 2


def test_an_error_of_the_compiler_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fake_swift(tmp_path, monkeypatch, "error: cannot find y in scope")
    with pytest.raises(BuildFailed, match="cannot find y"):
        build("kit", "debug", [], tmp_path / "log")
    assert len(calls.read_text().splitlines()) == 1
