"""`make test-sanitizers`: the kit's and the appliance's tests under ThreadSanitizer and AddressSanitizer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from . import paths, progress, swiftpackage

SANITIZERS = ("thread", "address")
PACKAGES = ("kit", "appliance")
# What swift test needs to know of a sanitizer: see docs/HACKING.md, "Sanitizers".
SUPPRESSIONS = paths.ROOT / "Tests/Sanitizers/thread.supp"
OPTIONS = {
    "thread": {"TSAN_OPTIONS": f"halt_on_error=0:second_deadlock_stack=1:suppressions={SUPPRESSIONS}"},
    "address": {"ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0"},
}


def run(sanitizer: str, package: str) -> tuple[str, bool]:
    """Builds and runs one package's tests in a folder of its own. What came of it, and whether all is well."""
    folder = paths.BUILD / "sanitizers"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{sanitizer}-{package}.log"
    command = ["--package-path", str(paths.PACKAGES[package]), "--scratch-path", str(folder / sanitizer)]
    command += [f"--sanitize={sanitizer}"]
    environment = {
        **os.environ,
        **OPTIONS[sanitizer],
        "SWIFT_BACKTRACE": "enable=no",
        # Seeds find lost documents; for races and wrong addresses a few of them do.
        "SIMULATION_SEEDS": "100",
        "SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH": str(os.cpu_count() or 2),
    }
    swiftpackage.forget_plan(folder / sanitizer, "debug")
    with log.open("w") as output:
        built = subprocess.run(
            ["swift", "build", "--build-tests", *command], stdout=output, stderr=subprocess.STDOUT, check=False
        )
        if built.returncode != 0:
            return f"the build failed; see {log}", False
        if sanitizer == "thread":
            environment["LD_PRELOAD"] = str(mutex_library(folder))
        tested = ["swift", "test", "--skip-build", "--disable-xctest", *command]
        # The style of the sources has nothing to do with how they run.
        done = subprocess.run(
            [*tested, "--skip", "TidyTests"], stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        )
    return read(log.read_text(errors="replace"), done.returncode, log)


def read(log: str, status: int, path: Path) -> tuple[str, bool]:
    """Takes a log apart. A run without a test, or with a report that the exit status hides, is no success."""
    reports = len(re.findall(r"^(?:SUMMARY: \w+Sanitizer|==\d+==ERROR: )", log, re.MULTILINE))
    counted = re.findall(r"Test run with (\d+) tests? in \d+ suites? (passed|failed)", log)
    if not counted:
        return f"the tests did not come to their end ({status}); see {path}", False
    tests, outcome = counted[-1]
    well = status == 0 and outcome == "passed" and reports == 0 and int(tests) > 0
    return f"{tests} tests {outcome}, {reports} reports{'' if well else f'; see {path}'}", well


def mutex_library(folder: Path) -> Path:
    """What tells ThreadSanitizer of Swift's Mutex; clang comes with the Swift toolchain."""
    library = folder / "mutex.so"
    source = paths.ROOT / "Tests/Sanitizers/mutex.c"
    subprocess.run(
        ["clang", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", str(source), "-ldl", "-o", str(library)],
        check=True,
    )
    return library


def main() -> int:
    wanted = [name for name in SANITIZERS if os.environ.get("ONLY", name) == name]
    if not wanted:
        print(f"ONLY must be one of {', '.join(SANITIZERS)}", file=sys.stderr)
        return 2
    report = progress.Report()
    failed = 0
    for sanitizer in wanted:
        for package in PACKAGES:
            with report.step(f"{sanitizer} sanitizer, {package}") as step:
                step.result, well = run(sanitizer, package)
                failed += not well
    report.line("clean" if not failed else f"{failed} of {len(wanted) * len(PACKAGES)} runs are not clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
