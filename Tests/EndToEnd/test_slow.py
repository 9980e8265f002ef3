"""Four hundred clients that hold connections and hardly move, and twenty that want to work: `slow-10k`, small."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore import slowclients
from artstore.client import Document
from artstore.slowclients import Aim, Clients
from site_alone import SiteAlone

EACH = 100
# What four hundred connections may cost: 38 KiB each were measured, and two loops lend 18 MiB of send buffers each.
GROWTH_MAX_MEBIBYTES = 100


@pytest.fixture
def site(programs: str, scratch: Path) -> Iterator[SiteAlone]:
    limits = {"SE_HEADER_TIMEOUT": "4s", "SE_BODY_TIMEOUT": "4s", "SE_MAX_CONNECTIONS": "600"}
    site = SiteAlone(scratch / "slow", "edit", programs, limits)
    site.appliance.start()
    yield site
    site.appliance.stop()


def resident_mebibytes(site: SiteAlone) -> float:
    status = Path(f"/proc/{site.appliance.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def refusals(site: SiteAlone, reason: str) -> float:
    text = site.client().call("GET", "/metrics").expect(200).body.decode()
    found = re.search(rf'^se_http_refusals_total{{server="api",reason="{reason}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_honest_clients_do_not_notice_slow_ones(site: SiteAlone, scratch: Path) -> None:
    folder = scratch / "slow-clients"
    program = slowclients.build(folder)
    small, big = folder / "1k.bin", folder / "64m.bin"
    small.write_bytes(os.urandom(1024))
    big.write_bytes(os.urandom(64 << 20))
    client = site.client()
    ids = [
        client.upload("/api/v1/files/upload", Document(path.name, path)).expect(201).json["file_id"]
        for path in (small, big)
    ]
    slowclients.write_token(folder / "token", site.token())
    small_path, big_path = (f"/api/v1/files/{file_id}/download" for file_id in ids)
    aim = Aim(
        site.appliance.port,
        site.authority.certificate,
        site.ingester,
        folder / "token",
        small_path,
        1024,
        big_path,
    )
    before = resident_mebibytes(site)
    kinds = {kind: EACH for kind in ("heads", "stubborn", "bodies", "reads")}
    crowd = Clients(program, aim, {**kinds, "sources": 8, "seconds": 60, "head-seconds": 1}, folder / "crowd.log")
    try:
        crowd.wait_until_full(60)
        peak = resident_mebibytes(site)
        honest = Clients(program, aim, {"honest": 20, "seconds": 60}, folder / "honest.log")
        # Until the limits have ended slow heads and slow reads while the honest ones were at work.
        cut_by = {"head_timeout": 0.0, "answer_timeout": 0.0}
        while honest.is_running() and not all(cut_by.values()):
            peak = max(peak, resident_mebibytes(site))
            time.sleep(0.5)
            cut_by = {reason: refusals(site, reason) for reason in cut_by}
        seen = honest.end_honest()
    finally:
        slow = crowd.end_slow()
    assert seen.errors == 0, (folder / "honest.log").read_text()
    assert seen.requests > 20, "the honest clients were hardly served"
    assert peak - before < GROWTH_MAX_MEBIBYTES, f"{before:.0f} MiB before, {peak:.0f} MiB with {slow}"
    # Slow within the limits is served; beyond them it is cut off and counted.
    assert slow.held > EACH and slow.refused == 0 and slow.answered["heads"] > 0, slow
    assert cut_by["head_timeout"] > 0 and slow.cut["stubborn"] > 0, (cut_by, slow)
    assert cut_by["answer_timeout"] > 0 and slow.cut["reads"] > 0, (cut_by, slow)
