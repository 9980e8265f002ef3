"""The admin API against its own OpenAPI file, with requests that schemathesis makes up (issue 5). The seed is fixed;
ARTSTORE_CONTRACT_EXAMPLES and ARTSTORE_CONTRACT_SEED make it look further."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore import paths
from artstore.postgres import PrivatePostgres
from artstore.programs import ControlPlane

EXAMPLES = os.environ.get("ARTSTORE_CONTRACT_EXAMPLES", "4")
SEED = os.environ.get("ARTSTORE_CONTRACT_SEED", "5")
ENDS_THE_CALLER = ("logout", "rotateKeys", "changePassword")
"""Held against the file by tests of their own: after one of these the caller's token is dead."""
CALLS_OUTSIDE = ("claimStorageElement", "discoverStorageElement")
"""Addresses that are made up would be called."""


@pytest.fixture(scope="module")
def own_plane(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[ControlPlane]:
    """Of its own: what is made up here makes and removes accounts, and changes settings."""
    plane = ControlPlane(scratch / "admin-contract", postgres.create_database("admin_contract"), programs, ("admin",))
    plane.start()
    yield plane
    plane.stop()


def test_every_answer_is_what_the_contract_says(own_plane: ControlPlane, scratch: Path) -> None:
    token = own_plane.login().token
    command = [str(paths.ROOT / ".venv/bin/st"), "--config-file"]
    command += [str(Path(__file__).with_name("schemathesis-admin.toml")), "run"]
    command += [str(paths.ROOT / "controlplane/api/admin.yaml"), "--url", own_plane.url("admin")]
    command += ["--header", f"Authorization: Bearer {token}", "--seed", SEED, "--max-examples", EXAMPLES]
    command += ["--continue-on-failure", *(f"--exclude-operation-id={n}" for n in ENDS_THE_CALLER + CALLS_OUTSIDE)]
    # It keeps what it has seen in the directory it runs in.
    place = scratch / "admin-contract"
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=3600, check=False)
    told = "\n".join(line[:300] for line in done.stdout.splitlines()[-1500:])
    print(f"seed {SEED}, {EXAMPLES} examples an operation")
    assert done.returncode == 0, told + done.stderr[-2000:]
    assert own_plane.process.exit_status is None, "the control plane did not survive"
    assert "Tested: 0" not in done.stdout and "Tested:" in done.stdout, done.stdout[-2000:]
