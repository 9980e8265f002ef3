"""What is deployed: manifests, monitoring, the unit, and the tarball on a bare Debian."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from artstore import paths
from artstore.client import Client
from artstore.postgres import free_port
from artstore.processes import Process

DEPLOY = paths.ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = ["1.28", "1.37"]
KUSTOMIZATIONS = sorted(path.parent for path in (DEPLOY / "kubernetes").rglob("kustomization.yaml"))


def rendered(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [paths.tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def validate(document: dict[str, Any], version: str) -> None:
    group, _, api = document["apiVersion"].rpartition("/")
    schema = SCHEMAS / f"{group}_{document['kind']}_{api}.json"
    if schema.exists():
        jsonschema.validate(document, json.loads(schema.read_text()))
    else:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_manifest_is_valid(folder: Path, version: str) -> None:
    documents = rendered(folder)
    assert {"Deployment", "Service", "HTTPRoute", "NetworkPolicy"} <= {document["kind"] for document in documents}
    for document in documents:
        validate(document, version)


def test_the_validation_can_fail() -> None:
    for document in rendered(KUSTOMIZATIONS[0]):
        if document["kind"] in ("Deployment", "HTTPRoute"):
            document["spec"]["colour"] = "blue"
            with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError)):
                validate(document, KUBERNETES[-1])


def test_every_role_has_its_deployment_and_no_container_is_root() -> None:
    deployments = [document for document in rendered(KUSTOMIZATIONS[0]) if document["kind"] == "Deployment"]
    assert len(deployments) == 4
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        for container in pod["containers"]:
            security = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
            assert security["runAsNonRoot"] is True
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys()


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=1200, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_alert_rules_fire_when_they_should() -> None:
    run(paths.tool("promtool"), "check", "rules", DEPLOY / "monitoring/alerts.yaml")
    run(paths.tool("promtool"), "test", "rules", "alerts_test.yaml", cwd=DEPLOY / "monitoring")


def test_scrape_and_probe_configurations_are_read() -> None:
    run(paths.tool("promtool"), "check", "config", "--syntax-only", DEPLOY / "monitoring/prometheus.yaml")
    exporter = paths.tool("prometheus-blackbox-exporter")
    run(exporter, f"--config.file={DEPLOY}/monitoring/blackbox.yaml", "--config.check")


def test_the_unit_is_hardened() -> None:
    unit = DEPLOY / "appliance/artstore-appliance.service"
    run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)


def test_the_units_fit_each_other_and_the_settings(directory: Path) -> None:
    units = sorted((DEPLOY / "appliance").glob("artstore-appliance*.s*"))
    assert len(units) == 3
    for unit in units:
        # The program is not installed here; everything else must be as systemd wants it.
        text = unit.read_text().replace("/opt/artstore/bin/artstore-appliance", "/bin/true")
        (directory / unit.name).write_text(text)
    run("systemd-analyze", "verify", "--man=no", *(directory / unit.name for unit in units))
    settings = (DEPLOY / "appliance/appliance.env").read_text()
    for name in ("api", "probe"):
        socket = (DEPLOY / f"appliance/artstore-appliance-{name}.socket").read_text()
        address = next(line for line in socket.splitlines() if line.startswith("ListenStream=")).split("=")[1]
        assert f"SE_{name.upper()}_ADDRESS={address}" in settings, "the daemon refuses a socket elsewhere"
        assert f"FileDescriptorName={name}" in socket


@pytest.fixture(scope="module")
def tarball() -> Path:
    """`make package`, with the release build that it makes."""
    environment = {**os.environ, "PATH": paths.search_path()}
    done = subprocess.run(
        ["make", "-s", "package"], cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found = sorted((paths.BUILD / "package").glob("artstore-appliance-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    return found[-1]


@pytest.fixture(scope="module")
def bare_debian(scratch: Path) -> Iterator[Path]:
    """A minimal Debian root with package lists and nothing else."""
    root = scratch / "bare-debian"
    sources = sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
    mirror = next(
        (line.split()[1] for path in sources for line in path.read_text().splitlines() if line.startswith("URIs:")),
        "http://deb.debian.org/debian",
    )
    run(paths.tool("debootstrap"), "--variant=minbase", "bookworm", root, mirror)
    run("cp", "-a", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", root / "etc/apt/")
    (root / "etc/apt/sources.list").write_text("")
    run("cp", "/etc/resolv.conf", "/etc/hosts", root / "etc/")
    run("mount", "-t", "proc", "proc", root / "proc")
    try:
        yield root
    finally:
        run("umount", "-l", root / "proc")


def test_the_tarball_installs_on_a_bare_debian_and_serves(tarball: Path, bare_debian: Path) -> None:
    run("tar", "-xzf", tarball, "-C", bare_debian / "root")
    folder = "/root/" + tarball.name.removesuffix(".tar.gz")
    told = run("chroot", bare_debian, f"{folder}/install.sh")
    assert "installing the libraries it needs" in told
    assert "systemctl enable --now artstore-appliance-api.socket artstore-appliance-probe.socket" in told
    for unit in ("artstore-appliance.service", "artstore-appliance-api.socket", "artstore-appliance-probe.socket"):
        assert (bare_debian / "etc/systemd/system" / unit).exists()
    again = run("chroot", bare_debian, f"{folder}/install.sh")
    assert "installing the libraries" not in again
    assert "keeping /etc/artstore/appliance.env" in again

    api, probe = free_port(), free_port()
    settings = bare_debian / "etc/artstore/appliance.env"
    text = (
        settings.read_text().replace("0.0.0.0:8010", f"127.0.0.1:{api}").replace("0.0.0.0:8011", f"127.0.0.1:{probe}")
    )
    settings.write_text(text)
    environment = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    as_service = ["setpriv", "--reuid=artstore", "--regid=artstore", "--clear-groups"]
    daemon = Process(
        "installed appliance",
        ["/usr/sbin/chroot", bare_debian, *as_service, "/opt/artstore/bin/artstore-appliance", "serve"],
        bare_debian / "root/appliance.log",
        environment=environment,
    )
    try:
        client = Client(f"https://127.0.0.1:{probe}", verify=False)

        def is_live() -> bool:
            try:
                return client.call("GET", "/health/live").status == 200
            except OSError:
                return False

        daemon.wait_until(is_live, "being live")
        code = run("chroot", bare_debian, "/opt/artstore/claim-code")
        assert len(code.strip()) > 20
    finally:
        daemon.stop()
    documents = bare_debian / "var/lib/artstore/data"
    assert documents.exists()
    run("chroot", bare_debian, "/opt/artstore/uninstall.sh")
    assert not (bare_debian / "opt/artstore").exists()
    assert documents.exists(), "an uninstaller never removes documents"


def test_a_damaged_tarball_is_refused(tarball: Path, directory: Path) -> None:
    run("tar", "-xzf", tarball, "-C", directory)
    folder = directory / tarball.name.removesuffix(".tar.gz")
    with (folder / "bin/artstore-appliance").open("ab") as program:
        program.write(b"x")
    done = subprocess.run([str(folder / "install.sh")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "damaged" in done.stderr
