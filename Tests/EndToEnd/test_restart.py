"""A restart with somebody else holding the listening sockets: connections made meanwhile wait, none is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.client import Document
from artstore.processes import Process
from site_alone import SiteAlone
from socket_holder import SocketHolder


class HeldSite:
    """A site whose sockets outlive its daemon."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.site = SiteAlone(directory, "edit", configuration)
        self._configuration = configuration
        appliance = self.site.appliance
        self.holder = SocketHolder({"api": ("127.0.0.1", appliance.port), "probe": ("127.0.0.1", appliance.probe_port)})
        self.process: Process | None = None

    def start(self) -> None:
        appliance = self.site.appliance
        self.process = self.holder.start("held", appliance.settings, appliance.log, self._configuration)

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop(seconds=40)


@pytest.fixture
def held(programs: str, directory: Path) -> Iterator[HeldSite]:
    site = HeldSite(directory, programs)
    site.start()
    yield site
    site.stop()
    site.holder.close()


def wait_for_visits(process: Process, counts: list[int], wanted: int) -> None:
    process.wait_until(lambda: sum(counts) > wanted, "answering again")


def test_nobody_is_refused_while_the_appliance_restarts(held: HeldSite) -> None:
    document = Document("kept.bin", b"k" * 100_000)
    file_id = held.site.client().upload("/api/v1/files/upload", document).expect(201).json["file_id"]
    failures: list[str] = []
    counts = [0, 0, 0]
    over = threading.Event()

    def visit(number: int) -> None:
        token = held.site.token()
        while not over.is_set():
            client = held.site.client(token)
            try:
                answer = client.call("GET", f"/api/v1/files/{file_id}/download")
                if (answer.status, len(answer.body)) != (200, 100_000):
                    failures.append(f"{answer.status}: {answer.body[:200]!r}")
            except OSError as error:
                failures.append(repr(error))
            finally:
                client.close()
            counts[number] += 1

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(3):
            before = sum(counts)
            first = held.process
            assert first is not None
            assert held.stop() == 0, first.tail()
            held.start()
            assert held.process is not None
            wait_for_visits(held.process, counts, before + 20)
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    assert not failures, f"{len(failures)} of {sum(counts)}: {failures[:3]}"


def test_what_connects_while_nothing_runs_is_answered_after_the_start(held: HeldSite) -> None:
    assert held.process is not None
    held.process.wait_until(lambda: held.site.appliance.probe().call("GET", "/health/live").status == 200, "live")
    assert held.stop() == 0
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(held.site.client().call("GET", "/api/v1/info").status))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive(), "it waits in the held socket"
    held.start()
    waiting.join(60)
    assert answers == [200]


@pytest.mark.parametrize(
    ("names", "settings", "told"),
    [
        (("api", "probe"), {"SE_API_ADDRESS": "127.0.0.1:1"}, "artstore-appliance-api.socket"),
        (("api", "butler"), {}, "butler"),
    ],
)
def test_sockets_that_do_not_fit_the_settings_stop_the_start(
    programs: str, directory: Path, names: tuple[str, str], settings: dict[str, str], told: str
) -> None:
    site = SiteAlone(directory, "edit", programs, settings)
    ports = (site.appliance.port, site.appliance.probe_port)
    holder = SocketHolder({name: ("127.0.0.1", port) for name, port in zip(names, ports, strict=True)})
    process = holder.start("misfit", site.appliance.settings, site.appliance.log, programs)
    try:
        for _ in range(600):
            if process.exit_status is not None:
                break
            time.sleep(0.05)
        assert process.exit_status == 78
        assert told in process.output()
    finally:
        holder.close()
