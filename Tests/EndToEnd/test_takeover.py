"""A replica dies by SIGKILL in the middle of a full sync; another one goes on with it within 15 seconds."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from artstore.client import Client
from artstore.drill import Batches
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet

_TAKEOVER_SECONDS = 15
_RANGES = "SELECT count(*) FROM fleet_full_sync_ranges"


def test_another_replica_takes_a_full_sync_over(programs: str, postgres: PrivatePostgres, directory: Path) -> None:
    url = postgres.create_database("takeover")
    first = ControlPlane(directory / "first", url, programs)
    appliance = Appliance(directory / "a", "edit", "site", programs)
    second: ControlPlane | None = None
    try:
        first.start()
        appliance.start()
        fleet = Fleet(first)
        element = str(fleet.claim(appliance)["id"])
        account = fleet.service_account("takeover", "files:write")
        batches = Batches(first.url("ingester"), account)
        for start in range(0, 600, 100):
            batches.upload(range(start, start + 100))
        # About 330 KiB of listing at 8 KiB a second: a first page of ten seconds, then half a minute of ranges.
        path = f"/api/v1/storage-elements/{element}"
        fleet.admin.call("PUT", path, {"sync_bytes_per_second": 8192}).expect(200)
        second = ControlPlane(
            directory / "second", url, programs, settings={"CP_MASTER_KEY": first.settings["CP_MASTER_KEY"]}
        )
        second.administrator, second.password = first.administrator, first.password
        second.start()

        def sync() -> None:
            try:
                Client(fleet.admin.base, fleet.admin.token, timeout=60).call("POST", f"{path}/sync?full=true")
            except OSError:
                return

        asking = threading.Thread(target=sync)
        asking.start()
        _wait(lambda: int(postgres.sql(_RANGES, "takeover")) > 0, 60, "the full sync being under way")
        first.kill()
        killed = time.monotonic()
        asking.join()
        left = postgres.sql("SELECT started_at FROM fleet_full_syncs", "takeover")
        assert left, "the full sync had ended already"
        # So that what is left takes no time of its own.
        second.login().call("PUT", path, {"sync_bytes_per_second": 0}).expect(200)
        _wait(
            lambda: postgres.sql("SELECT started_at FROM fleet_full_syncs", "takeover") != left,
            _TAKEOVER_SECONDS - (time.monotonic() - killed),
            "the second replica having ended the sync",
        )
        _wait(
            lambda: postgres.sql("SELECT sync_fault IS NULL FROM storage_elements", "takeover") == "t",
            10,
            "the sync having ended well",
        )
        missing = postgres.sql("SELECT count(*) FROM files WHERE missing_since IS NOT NULL", "takeover")
        assert (postgres.sql("SELECT count(*) FROM files", "takeover"), missing) == ("600", "0")
    finally:
        appliance.stop()
        first.stop()
        if second:
            second.stop()


def _wait(is_so: object, seconds: float, what: str) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.1f} s"
        time.sleep(0.1)
