"""`make fuzz`: build the targets with libFuzzer and AddressSanitizer, run each for a while, say what it saw."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import paths, progress

CORPUS = paths.ROOT / "Fuzz/Corpus"
WORK = paths.BUILD / "fuzz"
# Coverage counters and AddressSanitizer in every Swift module, in a folder of their own.
INSTRUMENTED = ["-Xswiftc", "-sanitize=fuzzer,address", "-Xswiftc", "-parse-as-library"]
LIBRARIES = ["-lssl", "-lcrypto", "-llz4", "-lsqlite3"]
if platform.machine() == "x86_64":  # as in Package.swift
    LIBRARIES.append("-l:libIPSec_MB.a")


@dataclass
class Run:
    """What libFuzzer said at its end."""

    executions: int
    edges: int
    features: int
    corpus: int
    crash: Path | None


def build() -> Path:
    """The one program that holds every target."""
    swift = WORK / "swift"
    command = ["swift", "build", "-c", "release", "--package-path", str(paths.PACKAGES["appliance"])]
    command += ["--scratch-path", str(swift), "--target", "ApplianceFuzzTargets", *INSTRUMENTED]
    WORK.mkdir(parents=True, exist_ok=True)
    _run(command, WORK / "build.log")
    objects = [str(path) for path in sorted((swift / "release").glob("*.build/**/*.o"))]
    program = WORK / "fuzz"
    command = ["swiftc", "-O", "-parse-as-library", "-sanitize=fuzzer,address", "-module-name", "FuzzEntry"]
    command += [str(paths.ROOT / "Fuzz/Entry.swift"), "-I", str(swift / "release/Modules")]
    # The C libraries' own, and those that SwiftPM makes for our C sources.
    maps = [*paths.ROOT.glob("Sources/C*/module.modulemap"), *paths.ROOT.glob("appliance/Sources/C*/module.modulemap")]
    for module_map in sorted([*maps, *(swift / "release").glob("C*.build/module.modulemap")]):
        command += ["-Xcc", f"-fmodule-map-file={module_map}"]
    _run([*command, *objects, *LIBRARIES, "-o", str(program)], WORK / "link.log")
    return program


def run(program: Path, target: str, seconds: int) -> Run:
    """Fuzzes one target. What it learns stays in build/fuzz; what breaks it lands in build/fuzz/crashes."""
    learned = WORK / "corpus" / target
    crashes = WORK / "crashes"
    for folder in (learned, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    log = WORK / f"{target}.log"
    environment = {
        **os.environ,
        "FUZZ_TARGET": target,
        # The crash handler of Swift would wait for a terminal; leaks are not what this looks for.
        "SWIFT_BACKTRACE": "enable=no",
        # A short quarantine stays in the processor's cache, and a run is over in microseconds.
        "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=2:quarantine_size_mb=4:thread_local_quarantine_size_kb=64",
    }
    options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096"]
    options += [f"-artifact_prefix={crashes}/{target}-", "-print_final_stats=1", "-use_value_profile=1"]
    with log.open("w") as output:
        subprocess.run(
            [str(program), *options, str(learned), str(CORPUS / target)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    new = sorted(set(crashes.iterdir()) - before)
    return read(log.read_text(errors="replace"), new[0] if new else None)


def read(log: str, crash: Path | None) -> Run:
    """Takes libFuzzer's log apart."""
    states = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", log)
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
    edges, features, corpus = (int(number) for number in states[-1]) if states else (0, 0, 0)
    return Run(int(executed[1]) if executed else 0, edges, features, corpus, crash)


def main() -> int:
    seconds = int(os.environ.get("SECONDS_EACH") or 20)
    targets = sorted(path.name for path in CORPUS.iterdir())
    if wanted := os.environ.get("TARGET"):
        if wanted not in targets:
            print(f"TARGET must be one of {', '.join(targets)}", file=sys.stderr)
            return 2
        targets = [wanted]
    report = progress.Report()
    with report.step("build") as step:
        program = build()
        step.result = str(program.relative_to(paths.ROOT))
    failed = 0
    for target in targets:
        with report.step(target) as step:
            outcome = run(program, target, seconds)
            step.result = (
                f"{outcome.executions} executions, {outcome.edges} edges, {outcome.features} features, "
                f"{outcome.corpus} inputs kept"
            )
            if outcome.crash or not outcome.executions:
                failed += 1
                step.result += f"; BROKEN by {outcome.crash or 'nothing at all'}, see build/fuzz/{target}.log"
    report.line(f"{len(targets) - failed} of {len(targets)} targets clean, {seconds} s each; logs are in build/fuzz")
    return 1 if failed else 0


def _run(command: list[str], log: Path) -> None:
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if "error" in line]
        raise SystemExit(f"{command[0]} failed; the whole output is in {log}\n" + "\n".join(lines[:20]))


if __name__ == "__main__":
    sys.exit(main())
