"""An appliance with its own PKI instead of being claimed: certificate, client CA and key set come from files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from artstore.certificates import Authority
from artstore.client import Client
from artstore.programs import Appliance
from artstore.tokens import TokenIssuer

EVERY_SCOPE = ("files:read", "files:write", "storage:read", "storage:write")


class SiteAlone:
    """Plays the control plane for one appliance: signs its certificates and the tokens it accepts."""

    def __init__(
        self, directory: Path, mode: str, configuration: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self.authority = Authority(directory / "pki")
        self.issuer = TokenIssuer(directory / "pki")
        self.storage_id = str(uuid.uuid4())
        server = self.authority.server(self.storage_id)
        files = {
            "SE_STORAGE_ID": self.storage_id,
            "SE_TLS_CERT": str(server.certificate),
            "SE_TLS_KEY": str(server.key),
            "SE_CLIENT_CA": str(self.authority.certificate),
            "SE_JWKS_FILE": str(self.issuer.write_key_set(directory / "pki/jwks.json")),
        }
        self.appliance = Appliance(directory, mode, "site", configuration, {**files, **(settings or {})})
        self.ingester = self.authority.client("ingester", "test")

    def token(self, scopes: Sequence[str] = EVERY_SCOPE, subject: str = "sa_test", seconds: int = 240) -> str:
        return self.issuer.token(f"storage:{self.storage_id}", scopes, subject, seconds)

    def client(self, token: str | None = None) -> Client:
        """As the ingester would call it; with a token for everything unless another is given."""
        identity = (self.ingester, self.authority.certificate)
        return self.appliance.client(*identity, self.token() if token is None else token)
