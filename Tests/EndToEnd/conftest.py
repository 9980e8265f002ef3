"""The programs as they run in earnest: built once, started in directories of their own on free ports, ended by pid."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from artstore import paths, swiftpackage
from artstore.client import Client
from artstore.curl import Curl
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet, ServiceAccount, gather_console_assets
from site_alone import SiteAlone

os.environ["PATH"] = paths.search_path()
CONFIGURATION = os.environ.get("ARTSTORE_CONFIGURATION", "debug")


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for the whole run that PostgreSQL's user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="artstore-test-", dir="/var/tmp"))
    directory.chmod(0o711)
    yield directory
    paths.remove_tree(directory)


@pytest.fixture(scope="session")
def programs() -> str:
    """Both programs, built (which `make test` has already done for the packages' own tests); their configuration."""
    for side in ("appliance", "controlplane"):
        if not paths.given_program(side):
            log = paths.BUILD / "test" / f"end-to-end-{side}-build.log"
            swiftpackage.build(side, CONFIGURATION, ["--product", paths.PROGRAMS[side]], log)
    gather_console_assets()
    return CONFIGURATION


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[PrivatePostgres]:
    server = PrivatePostgres(scratch / "postgres", scratch / "postgres.log")
    server.start()
    yield server
    server.stop()


@dataclass
class WholeFleet:
    """Control plane with all roles, an edit and an rw appliance, both claimed, and a client system's account."""

    plane: ControlPlane
    appliances: dict[str, Appliance]
    fleet: Fleet
    elements: dict[str, dict[str, object]]
    account: ServiceAccount
    directory: Path

    @property
    def admin(self) -> Client:
        return self.fleet.admin

    def ingester(self, *scopes: str) -> Client:
        return self.plane.client("ingester", self.account.token(*scopes))

    def query(self, *scopes: str) -> Client:
        return self.plane.client("query", self.account.token(*scopes))

    def curl(self) -> Curl:
        return Curl(self.plane.url("query"), self.account.token(), self.directory / "curl")


@pytest.fixture(scope="session")
def fleet(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[WholeFleet]:
    """Shared by the tests that leave it as they found it."""
    directory = scratch / "fleet"
    plane = ControlPlane(directory, postgres.create_database("fleet"), programs)
    appliances = {mode: Appliance(directory / mode, mode, f"{mode}-one", programs) for mode in ("edit", "rw")}
    try:
        plane.start()
        for appliance in appliances.values():
            appliance.start()
        admin = Fleet(plane)
        elements = {mode: admin.claim(appliance) for mode, appliance in appliances.items()}
        account = admin.service_account("end-to-end", "files:read", "files:write")
        yield WholeFleet(plane, appliances, admin, elements, account, directory)
    finally:
        for appliance in appliances.values():
            appliance.stop()
        plane.stop()


@pytest.fixture(scope="session")
def site(programs: str, scratch: Path) -> Iterator[SiteAlone]:
    """One edit appliance with certificates and keys from files; shared."""
    alone = SiteAlone(scratch / "site", "edit", programs)
    alone.appliance.start()
    yield alone
    alone.appliance.stop()


@pytest.fixture
def directory(scratch: Path, request: pytest.FixtureRequest) -> Path:
    """An empty directory for one test."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:60]
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
