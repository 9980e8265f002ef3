"""The appliance against its own OpenAPI file, with requests that schemathesis makes up (issue 4). The seed is fixed;
ARTSTORE_CONTRACT_EXAMPLES and ARTSTORE_CONTRACT_SEED make it look further."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore import paths
from artstore.client import Document
from site_alone import SiteAlone

EXAMPLES = os.environ.get("ARTSTORE_CONTRACT_EXAMPLES", "5")
SEED = os.environ.get("ARTSTORE_CONTRACT_SEED", "4")
ONBOARDING = ("claim", "renewIdentity", "putTrust", "putTime", "putSettings")


@pytest.fixture(scope="module")
def own_site(programs: str, scratch: Path) -> Iterator[SiteAlone]:
    """Of its own: what is made up here changes settings and deletes documents."""
    site = SiteAlone(scratch / "contract", "edit", programs)
    site.appliance.start()
    for number in range(3):
        document = Document(f"{number}.txt", b"contract" * number, "text/plain")
        site.client().upload("/api/v1/files/upload", document).expect(201)
    yield site
    site.appliance.stop()


@pytest.mark.parametrize(
    ("role", "selection"),
    [
        ("ingester", [f"--exclude-operation-id={name}" for name in ONBOARDING]),
        ("admin", [f"--include-operation-id={name}" for name in ONBOARDING]),
    ],
)
def test_every_answer_is_what_the_contract_says(own_site: SiteAlone, role: str, selection: list[str]) -> None:
    caller = own_site.authority.client(role, "contract")
    command = [str(paths.ROOT / ".venv/bin/st"), "--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    command += ["run", str(paths.ROOT / "appliance/api/openapi.yaml"), "--url", own_site.appliance.url]
    command += ["--tls-verify", str(own_site.authority.certificate), "--header"]
    command += [f"Authorization: Bearer {own_site.token(seconds=3000)}"]
    command += ["--request-cert", str(caller.certificate), "--request-cert-key", str(caller.key)]
    command += ["--seed", SEED, "--max-examples", EXAMPLES, "--continue-on-failure", *selection]
    # It keeps what it has seen in the directory it runs in.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SCHEMATHESIS_HOOKS": "schemathesis_media"}
    done = subprocess.run(
        command,
        cwd=own_site.appliance.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    told = "\n".join(line[:400] for line in done.stdout.splitlines()[-250:])
    assert done.returncode == 0, told + done.stderr[-2000:]
    assert own_site.appliance.process.exit_status is None, "the appliance did not survive"
    assert "Tested: 0" not in done.stdout and "Tested:" in done.stdout, done.stdout[-2000:]
