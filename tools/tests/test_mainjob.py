"""Whatever happens to the main job, nothing is left running or lying about."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from artstore import paths


def start(program: Path) -> subprocess.Popen[str]:
    """The main job with a stand-in for both programs, so that nothing is built."""
    environment = {
        **os.environ,
        "ARTSTORE_APPLIANCE": str(program),
        "ARTSTORE_CONTROLPLANE": str(program),
        "PYTHONPATH": str(paths.ROOT / "tools"),
        "ONESHOT": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "artstore.mainjob"], stdout=subprocess.PIPE, text=True, env=environment
    )


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def assert_nothing_is_left(output: str) -> None:
    match = re.search(r"start PostgreSQL in a private directory: port (\d+)", output)
    assert match, output
    assert [line for line in command_lines() if f"port={match[1]}" in line] == []
    assert "everything is stopped" in output


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_program_that_does_not_start_fails_the_job_and_is_quoted(tmp_path: Path) -> None:
    job = start(script(tmp_path / "broken", "echo 'the key CP_X is wrong'; exit 78"))
    output, _ = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "control plane ended with status 78" in output
    assert "the key CP_X is wrong" in output
    assert_nothing_is_left(output)


def test_an_interrupted_job_stops_everything(tmp_path: Path) -> None:
    started = tmp_path / "started"
    job = start(script(tmp_path / "slow", f"echo $$ > {started}; exec sleep 300"))
    deadline = time.monotonic() + 100
    while not started.exists() or not started.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGINT)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 130
    assert_nothing_is_left(output)
    assert not Path(f"/proc/{started.read_text().strip()}").exists()
