import signal
import sys
import time
from pathlib import Path

import pytest
from artstore.processes import Process, ProcessFailed


def python(tmp_path: Path, text: str) -> Process:
    return Process("child", [sys.executable, "-c", text], tmp_path / "child.log")


def test_stop_asks_first_and_then_insists(tmp_path: Path) -> None:
    polite = python(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    polite.wait_until(lambda: "up" in polite.output(), "being up")
    assert polite.stop() == -signal.SIGTERM
    deaf = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    stubborn = python(tmp_path, deaf)
    stubborn.wait_until(lambda: "deaf" in stubborn.output(), "being up")
    assert stubborn.stop(seconds=0.2) == -signal.SIGKILL


def test_waiting_for_a_program_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    child = python(tmp_path, "raise SystemExit('the key is wrong')")
    with pytest.raises(ProcessFailed, match="status 1 before listening:\nthe key is wrong"):
        child.wait_until(lambda: False, "listening")


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    tools = Path(__file__).resolve().parents[1]
    parent = python(
        tmp_path,
        f"import sys,time; sys.path.insert(0, {str(tools)!r})\n"
        "from pathlib import Path\nfrom artstore.processes import Process\n"
        f"log = Path({str(tmp_path)!r}) / 'c.log'\n"
        "child = Process('c', [sys.executable, '-c', 'import time; time.sleep(60)'], log)\n"
        "print('pid', child.pid, flush=True); time.sleep(60)",
    )
    parent.wait_until(lambda: "pid" in parent.output(), "starting its child")
    child = Path(f"/proc/{parent.output().split()[1]}")
    assert child.exists()
    parent.kill()
    for _ in range(200):
        if not child.exists() or "State:\tZ" in (child / "status").read_text():
            return
        time.sleep(0.02)
    raise AssertionError("the child outlived its parent")
