"""Certificates, keys and tokens for the benchmarks, made with the openssl command: nothing secret outlives the run."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_certificates(folder: Path) -> None:
    """A CA, a server certificate for the appliance (and nginx), a client certificate of an ingester; all P-256."""
    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        str(folder / "ca.key"),
        "-out",
        str(folder / "ca.crt"),
        "-days",
        "2",
        "-subj",
        "/CN=bench CA",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    for name, identity, usage in (
        ("server", "appliance/bench", "serverAuth"),
        ("client", "ingester/bench", "clientAuth"),
    ):
        _openssl(
            "req",
            *curve,
            "-keyout",
            str(folder / f"{name}.key"),
            "-out",
            str(folder / f"{name}.csr"),
            "-subj",
            f"/CN={name}",
        )
        extensions = folder / f"{name}.ext"
        extensions.write_text(
            f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
            f"subjectAltName=URI:artstore://{identity},DNS:localhost,IP:127.0.0.1\n"
        )
        _openssl(
            "x509",
            "-req",
            "-in",
            str(folder / f"{name}.csr"),
            "-CA",
            str(folder / "ca.crt"),
            "-CAkey",
            str(folder / "ca.key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            str(extensions),
            "-out",
            str(folder / f"{name}.crt"),
        )
    for key in folder.glob("*.key"):
        key.chmod(0o600)


class TokenIssuer:
    """An RS256 key, its JWKS file and tokens signed by it."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "token.key"
        self._key.write_bytes(_openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        self._key.chmod(0o600)
        modulus = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode().strip().partition("=")[2]
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(
            json.dumps(
                {
                    "keys": [
                        {
                            "kty": "RSA",
                            "use": "sig",
                            "alg": "RS256",
                            "kid": "bench",
                            "n": _url(bytes.fromhex(modulus)),
                            "e": "AQAB",
                        }
                    ]
                }
            )
        )

    def token(self, audience: str, lifetime_seconds: int = 240) -> str:
        now = int(time.time())
        claims = {
            "iss": "bench",
            "sub": "bench",
            "aud": [audience],
            "iat": now,
            "nbf": now,
            "exp": now + lifetime_seconds,
            "jti": f"bench-{now}",
            "scopes": ["files:read", "files:write", "storage:read", "storage:write"],
        }
        signed = ".".join(
            _url(json.dumps(part, separators=(",", ":")).encode())
            for part in ({"alg": "RS256", "typ": "JWT", "kid": "bench"}, claims)
        )
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), stdin=signed.encode())
        return f"{signed}.{_url(signature)}"
