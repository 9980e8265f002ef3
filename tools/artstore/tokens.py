"""RS256 tokens and the key set that verifies them, for programs that are given a JWKS file instead of being claimed."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from .certificates import openssl


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenIssuer:
    """An RSA key in a directory that signs tokens as the control plane does."""

    def __init__(self, directory: Path, issuer: str = "artstore", key_id: str = "test-key") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._key = directory / "token.key"
        self._issuer = issuer
        self._key_id = key_id
        self._key.touch(mode=0o600)
        openssl("genrsa", "-out", str(self._key), "2048")

    def key_set(self) -> dict[str, object]:
        """RFC 7517."""
        text = openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(text.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id}
        return {"keys": [{**key, "n": base64url(modulus), "e": base64url((65537).to_bytes(3, "big"))}]}

    def write_key_set(self, path: Path) -> Path:
        path.write_text(json.dumps(self.key_set()))
        return path

    def token(
        self,
        audience: str,
        scopes: Sequence[str] = ("files:read", "files:write", "storage:read", "storage:write"),
        subject: str = "sa_tests",
        seconds: int = 300,
        **claims: object,
    ) -> str:
        now = int(time.time())
        payload: dict[str, object] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": [audience],
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
            "scopes": list(scopes),
            **claims,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key_id}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))
        signature = openssl("dgst", "-sha256", "-sign", str(self._key), stdin=signed.encode())
        return f"{signed}.{base64url(signature)}"
