"""Throw-away certificates made with the openssl command: a CA, and leaves with the identities ArtStore knows."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*arguments: str, stdin: bytes | None = None) -> bytes:
    """Runs openssl and returns its output; raises with its own words."""
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a directory; its certificate is `certificate`."""

    def __init__(self, directory: Path, name: str = "ArtStore test CA") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.certificate = directory / "ca.crt"
        self._key = directory / "ca.key"
        _new_key(self._key)
        openssl(
            *("req", "-x509", "-new", "-key", str(self._key), "-out", str(self.certificate), "-days", "30"),
            *("-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def server(self, name: str, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")) -> KeyPair:
        names = [("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts]
        return self.issue(name, [f"URI:artstore://appliance/{name}", *names], "serverAuth")

    def client(self, role: str, name: str) -> KeyPair:
        """A client certificate whose SAN says `artstore://<role>/<name>`."""
        return self.issue(f"{role}-{name}", [f"URI:artstore://{role}/{name}"], "clientAuth")

    def issue(self, file_name: str, alternative_names: list[str], usage: str) -> KeyPair:
        pair = KeyPair(self._directory / f"{file_name}.crt", self._directory / f"{file_name}.key")
        _new_key(pair.key)
        request = openssl("req", "-new", "-key", str(pair.key), "-subj", f"/CN={file_name}")
        extensions = self._directory / f"{file_name}.ext"
        extensions.write_text(
            f"subjectAltName={','.join(alternative_names)}\nextendedKeyUsage={usage}\n"
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        )
        certificate = openssl(
            *("x509", "-req", "-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-days", "20", "-extfile", str(extensions)),
            stdin=request,
        )
        pair.certificate.write_bytes(certificate)
        return pair


def _new_key(path: Path) -> None:
    path.touch(mode=0o600)
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
