"""`make lint`: every check that needs no running program. One line a check; the exit status says whether all held."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import paths, swiftpackage


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0


def tracked(*patterns: str) -> list[str]:
    """Files of the repository, relative to its root; outside a git checkout whatever lies there."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.splitlines() if (paths.ROOT / name).is_file()]


def shell_scripts() -> list[str]:
    """Files that begin with a shell's #! line, whatever their name."""
    found = []
    for name in tracked():
        with (paths.ROOT / name).open("rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!") and (b"bash" in first or first.rstrip().endswith(b"/sh")):
            found.append(name)
    return found


def check_command(*command: str) -> Callable[[], str]:
    def run() -> str:
        done = subprocess.run(
            [paths.tool(command[0]), *command[1:]], cwd=paths.ROOT, capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"

    return run


def check_text() -> str:
    """Ends of lines and files, and conflicts left in by a merge."""
    wrong = []
    for name in tracked("*.swift", "*.py", "*.md", "*.yaml", "*.c", "*.h", "Makefile", "tools/setup", "*.css", "*.js"):
        if "vendor" in name:
            continue
        data = (paths.ROOT / name).read_bytes()
        if data and not data.endswith(b"\n"):
            wrong.append(f"{name}: no end of line at the end")
        for number, line in enumerate(data.split(b"\n"), 1):
            if line != line.rstrip() and not name.endswith(".md"):
                wrong.append(f"{name}:{number}: blanks at the end of the line")
            if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
                wrong.append(f"{name}:{number}: a merge conflict")
    return "\n".join(wrong)


def check_sizes() -> str:
    """Nothing large belongs into the repository."""
    large = [name for name in tracked() if (paths.ROOT / name).stat().st_size > 1 << 20]
    return "\n".join(f"{name}: over 1 MiB" for name in large)


def check_openapi() -> str:
    done = subprocess.run(
        [str(paths.ROOT / ".venv/bin/python"), "-m", "openapi_spec_validator", *tracked("*/api/*.yaml")],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def python_sources() -> list[str]:
    return ["tools/artstore", "tools/tests", "tools/console-assets", "Tests/EndToEnd", "Tests/Benchmarks"]


def checks(with_swift: bool) -> dict[str, Callable[[], str]]:
    table: dict[str, Callable[[], str]] = {
        "text files": check_text,
        "sizes": check_sizes,
        "shell scripts": check_command("shellcheck", "--severity=warning", *shell_scripts()),
        "Python style": check_command("ruff", "check", "--quiet", *python_sources()),
        "Python layout": check_command("ruff", "format", "--check", "--quiet", *python_sources()),
        "Python types": check_command("mypy", *python_sources()),
        "OpenAPI files": check_openapi,
    }
    if with_swift:
        table["Swift layout"] = check_command("swift", "format", "lint", "--strict", "-r", *swift_folders())
    return table


def swift_folders() -> list[str]:
    return [
        str((folder / name).relative_to(paths.ROOT))
        for folder in paths.PACKAGES.values()
        for name in ("Sources", "Tests")
    ]


def run(with_swift: bool) -> Outcome:
    outcome = Outcome()
    for name, check in checks(with_swift).items():
        began = time.monotonic()
        problem = check()
        outcome.passed += not problem
        outcome.failed += bool(problem)
        print(f"{'✘' if problem else '✔'} lint: {name}  [{time.monotonic() - began:.1f} s]", flush=True)
        if problem:
            print("\n".join(f"    {line}" for line in problem.splitlines()[:40]), flush=True)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with-swift", action="store_true", help="also the Swift sources' layout and tidy tests")
    with_swift = parser.parse_args().with_swift
    outcome = run(with_swift)
    if with_swift:
        tidy = swiftpackage.run_tests("kit", Path("lint"), only="TidyTests")
        outcome = Outcome(outcome.passed + tidy.passed, outcome.failed + tidy.failed)
    print(f"{outcome.passed} passed, {outcome.failed} failed")
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
