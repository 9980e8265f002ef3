"""Building the three packages and running their tests, with progress and counts."""

from __future__ import annotations

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import paths

_STEP = re.compile(r"^\[(\d+)/(\d+)\]")


class BuildFailed(RuntimeError):
    """The compiler said no; the message carries its errors."""


@dataclass
class TestOutcome:
    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)


def options(package: str, configuration: str) -> list[str]:
    """All packages build into one folder, so that the kit is compiled once for the three of them. Release programs
    carry Swift's run-time library, because they are what the tarball ships."""
    common = ["-c", configuration, "--package-path", str(paths.PACKAGES[package]), "--scratch-path", str(paths.SWIFT)]
    return [*common, "--static-swift-stdlib"] if configuration == "release" else common


def build(
    package: str, configuration: str, arguments: list[str], log: Path, status: Callable[[str], None] | None = None
) -> None:
    """Runs `swift build`, telling `status` how far it is. The whole output goes to `log`."""
    command = ["swift", "build", *options(package, configuration), *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    _forget_other_plan(package, configuration)
    code, kept = _run(command, log, status)
    if code != 0:
        errors = [line for line in kept if "error:" in line] or kept[-20:]
        raise BuildFailed(f"{' '.join(command)} failed; whole output in {log}\n" + "".join(errors[:30]))


def _forget_other_plan(package: str, configuration: str) -> None:
    """SwiftPM keeps one build plan a folder and configuration, and takes another package's for its own: it then misses
    new files of the kit, or does not know its own products. So the plan goes when another package comes."""
    last = paths.SWIFT / f"{configuration}.package"
    if last.exists() and last.read_text() == package:
        return
    forget_plan(paths.SWIFT, configuration)
    paths.SWIFT.mkdir(parents=True, exist_ok=True)
    last.write_text(package)


def forget_plan(folder: Path, configuration: str) -> None:
    for plan in [folder / f"{configuration}.yaml", *folder.glob(f"*/{configuration}/description.json")]:
        plan.unlink(missing_ok=True)


def _run(command: list[str], log: Path, status: Callable[[str], None] | None) -> tuple[int, list[str]]:
    kept: list[str] = []
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child,
    ):
        assert child.stdout is not None
        try:
            for line in child.stdout:
                output.write(line)
                kept.append(line)
                if status and (match := _STEP.match(line)):
                    status(f"{match[1]} of {match[2]}")
        except BaseException:
            child.terminate()
            raise
    return child.returncode, kept


def run_tests(package: str, results: Path, only: str | None = None) -> TestOutcome:
    """Builds and runs a package's tests. A build that fails or a run that crashes counts as one failure."""
    folder = paths.BUILD / "test" / results
    folder.mkdir(parents=True, exist_ok=True)
    try:
        build(package, "debug", ["--build-tests"], folder / f"{package}-build.log")
    except BuildFailed as problem:
        return TestOutcome(failed=1, failures=[str(problem)])
    report = folder / f"{package}.xml"
    report.unlink(missing_ok=True)
    command = ["swift", "test", "--skip-build", *options(package, "debug")]
    command += ["--disable-xctest", "--xunit-output", str(report)]
    command += ["--filter", only] if only else []
    # All at once, hundreds of tests with their own loops and databases starve each other on two cores.
    environment = {**os.environ, "SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": str(os.cpu_count() or 2)}
    log = folder / f"{package}-test.log"
    with log.open("w") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if not report.exists():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        return TestOutcome(failed=1, failures=[f"the tests of {package} did not finish ({done.returncode}):\n{tail}"])
    outcome = read_xunit(report)
    if done.returncode != 0 and outcome.failed == 0:
        outcome.failed = 1
        outcome.failures.append(f"the tests of {package} ended with status {done.returncode}; see {log}")
    return outcome


def read_xunit(path: Path) -> TestOutcome:
    """Counts test cases of a JUnit file; a skipped one counts as failed, for nothing may be skipped."""
    outcome = TestOutcome()
    for case in ElementTree.parse(path).iter("testcase"):
        problems = [child for child in case if child.tag in ("failure", "error", "skipped")]
        if not problems:
            outcome.passed += 1
            continue
        outcome.failed += 1
        texts = [problem.get("message") or problem.text or problem.tag for problem in problems]
        outcome.failures.append(f"{case.get('classname')}.{case.get('name')}: " + "\n    ".join(texts)[:3000])
    return outcome
