"""`make simulate`: the store against a simulated disk, seed after seed, in an optimised build; one report for all."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import paths, progress

# Optimised and yet testable: not the build that is shipped, so it has a folder of its own.
WORK = paths.BUILD / "simulate"
TEST = "nothingAcknowledgedIsLostSimulation"
# Small enough that the progress moves and a crash names its seeds, large enough that starting costs nothing.
PART = 500


@dataclass
class Merged:
    """What all parts met."""

    seeds: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, report: dict[str, Any]) -> None:
        self.seeds += report["seeds"]
        self.failures |= report["failures"]
        # Counter.update keeps zeros: what was never met must stay visible.
        self.counts.update(report["counts"])

    @property
    def never_met(self) -> list[str]:
        return sorted(name for name, count in self.counts.items() if count == 0)

    @property
    def is_well(self) -> bool:
        return self.seeds > 0 and not self.failures and not self.never_met

    def text(self) -> str:
        lines = [f"{name}: {count}" for name, count in self.counts.items()]
        lines += [f"FAILED {reason}\n  again with: make simulate SEED={seed}" for seed, reason in self.failures.items()]
        lines += [f"NEVER MET: {name}" for name in self.never_met]
        lines += [f"{self.seeds} seeds, {len(self.failures)} failures"]
        return "\n".join(lines)


def parts(first: int, count: int) -> list[tuple[int, int]]:
    """Ranges of at most PART seeds: the first seed and how many."""
    return [(first + start, min(PART, count - start)) for start in range(0, count, PART)]


def build() -> Path:
    command = ["swift", "build", "--build-tests", "-c", "release", "-Xswiftc", "-enable-testing"]
    command += ["--package-path", str(paths.PACKAGES["appliance"]), "--scratch-path", str(WORK)]
    WORK.mkdir(parents=True, exist_ok=True)
    log = WORK / "build.log"
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed; see {log}")
    return WORK / "release/ArtStoreAppliancePackageTests.xctest"


def simulate(program: Path, first: int, count: int) -> dict[str, Any]:
    """One part's report. A program that ends without one counts as a failure of the part."""
    report, log = WORK / "report.json", WORK / "run.log"
    report.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "SIMULATION_FROM": str(first),
        "SIMULATION_SEEDS": str(count),
        "SIMULATION_REPORT": str(report),
    }
    done = run(program, log, environment)
    if not report.exists():
        reason = f"the program ended with status {done} among the {count} seeds from {first}; see {log}"
        log.rename(log.with_name(f"run-{first}.log"))
        return {"seeds": count, "failures": {str(first): reason}, "counts": {}}
    loaded: dict[str, Any] = json.loads(report.read_text())
    return loaded


def run(program: Path, log: Path | None, environment: dict[str, str]) -> int:
    command = [str(program), "--testing-library", "swift-testing", "--filter", TEST]
    if log is None:
        return subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
    with log.open("w") as output:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode


def main() -> int:
    report = progress.Report()
    with report.step("build"):
        program = build()
    if seed := os.environ.get("SEED"):
        return run(program, None, {**os.environ, "SIMULATION_SEED": seed})
    count = int(os.environ.get("SEEDS") or 1000)
    if given := os.environ.get("SEEDS_FROM"):
        ranges = parts(int(given), count)
    else:
        fresh = secrets.randbelow(1 << 48) + (1 << 32)
        report.line(f"half of the seeds from 0, half from {fresh}")
        ranges = parts(0, count // 2) + parts(fresh, count - count // 2)
    merged = Merged()
    with report.step(f"simulate {count} seeds") as step:
        for first, some in ranges:
            step.status = f"{merged.seeds} of {count}, {len(merged.failures)} failures"
            part = simulate(program, first, some)
            merged.add(part)
            # At once: what is left may take half an hour.
            for seed, reason in part["failures"].items():
                report.line(f"FAILED seed {seed}: {reason}")
        step.result = f"{merged.seeds} seeds, {len(merged.failures)} failures"
    report.line(merged.text())
    return 0 if merged.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
