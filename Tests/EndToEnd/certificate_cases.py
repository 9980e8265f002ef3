"""Client certificates that must not be accepted: each fault, in each key type, for each role that could do harm."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from artstore.certificates import KeyPair
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
ROLES = ("admin", "ingester", "query")
NOW = datetime.datetime.now(datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Issuer:
    """An authority: its name and its key."""

    name: x509.Name
    key: PrivateKey
    certificate: x509.Certificate | None = None


@dataclass(frozen=True)
class Leaf:
    """What goes into a client certificate; the defaults are good."""

    uris: tuple[str, ...]
    starts: datetime.datetime = NOW - HOUR
    ends: datetime.datetime = NOW + HOUR
    usages: tuple[x509.ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    is_authority: bool = False
    dns: tuple[str, ...] = ()
    common_name: str = "test"


def authority(name: str) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Issuer(subject, key, _sign(subject, key, Issuer(subject, key), Leaf((), is_authority=True, usages=None)))


def opened(directory: Path) -> Issuer:
    """The authority that `artstore.certificates.Authority` keeps in a directory."""
    key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Issuer(certificate.subject, key, certificate)


def _sign(subject: x509.Name, key: PrivateKey, issuer: Issuer, leaf: Leaf) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(leaf.starts)
        .not_valid_after(leaf.ends)
        .add_extension(x509.BasicConstraints(ca=leaf.is_authority, path_length=None), critical=True)
    )
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in leaf.uris]
    names += [x509.DNSName(name) for name in leaf.dns]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if leaf.usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(leaf.usages), critical=False)
    algorithm = None if isinstance(issuer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer.key, algorithm)


@dataclass(frozen=True)
class Case:
    """A certificate with its chain, as a client would show it."""

    name: str
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    def write(self, directory: Path) -> KeyPair:
        pair = KeyPair(directory / "case.crt", directory / "case.key")
        pair.certificate.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain))
        pair.key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


Fault = Callable[[Issuer, Issuer, Leaf], tuple[Issuer, Leaf]]


def _changed(**fields: object) -> Fault:
    return lambda ours, other, leaf: (ours, replace(leaf, **fields))  # type: ignore[arg-type]


def _uris(*make: str) -> Fault:
    """SAN URIs; `{}` stands for the good one."""
    return lambda ours, other, leaf: (ours, replace(leaf, uris=tuple(text.format(leaf.uris[0]) for text in make)))


FAULTS: dict[str, Fault] = {
    "expired": _changed(starts=NOW - 3 * HOUR, ends=NOW - HOUR),
    "expired a second ago": _changed(starts=NOW - 3 * HOUR, ends=NOW - datetime.timedelta(seconds=1)),
    "not valid yet": _changed(starts=NOW + HOUR, ends=NOW + 2 * HOUR),
    "another CA": lambda ours, other, leaf: (other, leaf),
    "another CA of the same name": lambda ours, other, leaf: (Issuer(ours.name, other.key), leaf),
    "no EKU for clients": _changed(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
    "EKU of signed code": _changed(usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
    "EKU of mail": _changed(usages=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "no name": _changed(uris=()),
    "name in the subject only": _changed(uris=(), common_name="artstore://admin/test"),
    "DNS name only": _changed(uris=(), dns=("admin.artstore.example",)),
    "two identities": _uris("{}", "artstore://admin/other"),
    "unknown role": _uris("artstore://root/test"),
    "an appliance": _uris("artstore://appliance/test"),
    "a client that nobody named": _uris("artstore://client/test"),
    "another scheme": _uris("https://admin/test"),
    "upper-case scheme": _uris("ARTSTORE://admin/test"),
    "a longer path": _uris("{}/more"),
    "no role": _uris("artstore:///test"),
    "an empty name": _uris("artstore://admin/"),
    "a name with an escape": _uris("artstore://admin/te%00st"),
}


def good(issuer: Issuer) -> Iterator[Case]:
    """What must be accepted: without it the rest would prove nothing."""
    for (kind, key), role in itertools.product(_keys().items(), ROLES):
        yield _case(f"good {kind} {role}", key, issuer, Leaf((f"artstore://{role}/test",)))


def bad(issuer: Issuer) -> Iterator[Case]:
    other = authority("somebody else")
    for (kind, key), (fault, change), role in itertools.product(_keys().items(), FAULTS.items(), ROLES):
        by, leaf = change(issuer, other, Leaf((f"artstore://{role}/test",)))
        yield _case(f"{fault}, {kind}, {role}", key, by, leaf)
    yield from _chains(issuer)


def _chains(issuer: Issuer) -> Iterator[Case]:
    """A member of the fleet plays authority; nobody signs itself; a signature that does not fit."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "member")])
    member = _sign(name, key, issuer, Leaf(("artstore://admin/member",)))
    for role in ROLES:
        leaf = Leaf((f"artstore://{role}/test",))
        below = _case(f"signed by a member, {role}", ec.generate_private_key(ec.SECP256R1()), Issuer(name, key), leaf)
        yield replace(below, chain=(*below.chain, member))
        own = ec.generate_private_key(ec.SECP256R1())
        yield _case(f"self-signed, {role}", own, Issuer(name, own), leaf)
        signed = _case(f"a changed signature, {role}", own, issuer, leaf)
        der = bytearray(signed.chain[0].public_bytes(serialization.Encoding.DER))
        der[-1] ^= 1
        yield replace(signed, chain=(x509.load_der_x509_certificate(bytes(der)),))


def _case(name: str, key: PrivateKey, issuer: Issuer, leaf: Leaf) -> Case:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])
    return Case(name, (_sign(subject, key, issuer, leaf),), key)


def _keys() -> dict[str, PrivateKey]:
    return {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "RSA-2048": rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
