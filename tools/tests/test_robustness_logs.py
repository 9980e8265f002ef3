"""The logs of libFuzzer and of the sanitizers are believed only where they say that something ran and was clean."""

from __future__ import annotations

from pathlib import Path

from artstore import fuzz, sanitizers

FUZZ_LOG = """INFO: seed corpus: files: 10
#11\tINITED cov: 100 ft: 200 corp: 9/40b exec/s: 0 rss: 60Mb
#900\tNEW    cov: 150 ft: 310 corp: 20/90b lim: 4 exec/s: 0 rss: 61Mb
#4096\tDONE   cov: 151 ft: 312 corp: 21/99b lim: 8 exec/s: 2048 rss: 62Mb
stat::number_of_executed_units: 4096
"""
CLEAN = "✔ Test run with 12 tests in 3 suites passed after 1.5 seconds.\n"
LOG = Path("somewhere.log")


def test_the_last_state_of_a_fuzz_run_counts() -> None:
    assert fuzz.read(FUZZ_LOG, None) == fuzz.Run(4096, 151, 312, 21, None)


def test_a_fuzz_run_that_never_began_executed_nothing() -> None:
    assert fuzz.read("error while loading shared libraries", None).executions == 0


def test_every_target_has_its_corpus() -> None:
    names = [path.name for path in sorted(fuzz.CORPUS.iterdir())]
    assert names == [
        *("attributes", "chunked-body", "cursor", "journal", "multipart", "range", "request-head", "token"),
        "upload-metadata",
    ]


def test_a_clean_run_is_clean() -> None:
    assert sanitizers.read(CLEAN, 0, LOG) == ("12 tests passed, 0 reports", True)


def test_reports_failures_and_silence_are_not_clean() -> None:
    race = "SUMMARY: ThreadSanitizer: data race x.swift:1 in f\n"
    overflow = "==7==ERROR: AddressSanitizer: heap-buffer-overflow\nSUMMARY: AddressSanitizer: heap-buffer-overflow\n"
    for log, status in (
        (race + CLEAN, 0),
        (CLEAN, 66),
        (CLEAN.replace("passed", "failed"), 1),
        (CLEAN.replace("12", "0"), 0),
        (overflow, 1),
        ("", 0),
    ):
        assert not sanitizers.read(log, status, LOG)[1], log
