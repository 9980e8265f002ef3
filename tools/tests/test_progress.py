import io
import time

import pytest
from artstore.progress import Report, duration, size


def test_a_slow_step_shows_where_it_is_and_a_quick_one_only_its_end() -> None:
    out = io.StringIO()
    report = Report(out, quiet_seconds=0.05, log_interval=0.05)
    with report.step("slow") as step:
        step.status = "3 of 4"
        while "3 of 4" not in out.getvalue():
            time.sleep(0.01)
        step.result = "4 done"
    with Report(out, quiet_seconds=60).step("quick"):
        pass
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("… slow: 3 of 4")
    assert lines[-2].startswith("✔ slow: 4 done")
    assert lines[-1].startswith("✔ quick  [")


def test_a_failed_step_is_marked_and_its_error_goes_on() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), Report(out).step("bad"):
        raise ValueError("no")
    assert out.getvalue().startswith("✘ bad")


def test_durations_and_sizes_are_for_people() -> None:
    assert duration(59.94) == "59.9 s"
    assert duration(125) == "2 min 05 s"
    assert size(1023) == "1023 bytes"
    assert size(256 << 20) == "256.0 MiB"
