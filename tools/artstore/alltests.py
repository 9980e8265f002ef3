"""`make test`: lint, the three packages' tests, the tools' own and the end-to-end tests; one closing line for all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import lint, paths, progress, swiftpackage
from .swiftpackage import TestOutcome


def run_lint() -> TestOutcome:
    outcome = lint.run(with_swift=True)
    return TestOutcome(outcome.passed, outcome.failed, ["see above"] if outcome.failed else [])


def run_pytest(name: str, folder: str) -> TestOutcome:
    report = paths.BUILD / "test" / f"{name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [str(paths.ROOT / ".venv/bin/python"), "-m", "pytest", "-q", f"--junitxml={report}", folder]
    done = subprocess.run(command, cwd=paths.ROOT, stdin=subprocess.DEVNULL, check=False)
    if not report.exists():
        return TestOutcome(failed=1, failures=[f"pytest {folder} ended with status {done.returncode} and no report"])
    outcome = swiftpackage.read_xunit(report)
    if done.returncode != 0 and outcome.failed == 0:
        outcome.failed = 1
        outcome.failures.append(f"pytest {folder} ended with status {done.returncode}")
    return outcome


STAGES: dict[str, Callable[[], TestOutcome]] = {
    "lint": run_lint,
    "kit": lambda: swiftpackage.run_tests("kit", Path("all")),
    "appliance": lambda: swiftpackage.run_tests("appliance", Path("all")),
    "control plane": lambda: swiftpackage.run_tests("controlplane", Path("all")),
    "tools": lambda: run_pytest("tools", "tools/tests"),
    "end to end": lambda: run_pytest("end-to-end", "Tests/EndToEnd"),
}


def main() -> int:
    report = progress.Report()
    total = TestOutcome()
    began = time.monotonic()
    for name, stage in STAGES.items():
        with report.step(name) as step:
            outcome = stage()
            step.result = f"{outcome.passed} passed, {outcome.failed} failed"
        for failure in outcome.failures:
            report.line("    ✘ " + failure.replace("\n", "\n      "))
        total.passed += outcome.passed
        total.failed += outcome.failed
    report.line(f"took {progress.duration(time.monotonic() - began)}; logs are in build/test")
    report.line(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
