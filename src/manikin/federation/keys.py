"""By what sites and coordinator know each other: an authority for the coordinator's certificate, and a key of each site.

    FOLDER/authority.pem     whose certificate of the coordinator is believed        everybody has it
    FOLDER/sites/NAME.pem    the public key of each site                             everybody has all of them
    FOLDER/NAME.key          the private key of a site                               at that site alone
    FOLDER/coordinator.pem   the coordinator's certificate, and its private key      at the coordinator alone
    FOLDER/coordinator.key

Public keys are exchanged in person or by signed mail, not through the coordinator: who can put a key of its own among
them can take a site's place.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    bytes_to_public_key,
    private_key_to_bytes,
    public_key_to_bytes,
)

from manikin.errors import RequestError

_TRIAL_DAYS = 30


@dataclass(frozen=True)
class Keys:
    """The folder of keys that somebody who takes part in a federation has."""

    folder: Path

    @property
    def authority(self) -> bytes:
        """The certificate by which the coordinator's is checked."""
        return _read(self.folder / "authority.pem")

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The coordinator's certificate and private key."""
        found = self.folder / "coordinator.pem", self.folder / "coordinator.key"
        for path in found:
            _read(path)
        return found

    @property
    def sites(self) -> dict[str, bytes]:
        """The public key of each site."""
        found = sorted((self.folder / "sites").glob("*.pem"))
        if not found:
            raise RequestError(f"{self.folder / 'sites'} holds no public keys. Put NAME.pem of each site there.")
        return {path.stem: _public(path) for path in found}

    def private(self, site: str) -> ec.EllipticCurvePrivateKey:
        """Return the private key of a site."""
        path = self.folder / f"{site}.key"
        try:
            key: ec.EllipticCurvePrivateKey = bytes_to_private_key(_read(path))
        except (ValueError, TypeError) as error:
            raise RequestError(f"{path} holds no private key in PEM without a password.") from error
        if self.sites.get(site) != public_key_to_bytes(key.public_key()):
            raise RequestError(f"{path} is not the private half of {self.folder / 'sites' / f'{site}.pem'}.")
        return key


def make_trial_keys(folder: Path, sites: Iterable[str], host: str) -> Keys:
    """Write all keys of a federation into one new folder, to try it out: good for a month, and known in one place.

    Raises:
        RequestError: The folder is there already, or can't be made.
    """
    try:
        folder.mkdir(parents=True)
        (folder / "sites").mkdir()
        authority, coordinator = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = _named("manikin trial authority")
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        _write(folder / "authority.pem", _pem(_certificate(issuer, issuer, authority, authority, constraint)))
        signed = _certificate(_named("coordinator"), issuer, coordinator, authority, _alternative(host))
        _write(folder / "coordinator.pem", _pem(signed))
        _write(folder / "coordinator.key", private_key_to_bytes(coordinator))
        for site in sites:
            key = ec.generate_private_key(ec.SECP384R1())
            _write(folder / f"{site}.key", private_key_to_bytes(key))
            _write(folder / "sites" / f"{site}.pem", public_key_to_bytes(key.public_key()))
    except FileExistsError as error:
        raise RequestError(
            f"{folder} is there already, and a key is never overwritten. Choose another name."
        ) from error
    except OSError as error:
        raise RequestError(f"{folder} can't be written: {error.strerror}.") from error
    return Keys(folder)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_TRIAL_DAYS))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(signer, hashes.SHA256())
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    except ValueError:
        return x509.SubjectAlternativeName([x509.DNSName(host)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _public(path: Path) -> bytes:
    try:
        found: bytes = public_key_to_bytes(bytes_to_public_key(_read(path)))
    except (ValueError, TypeError) as error:
        raise RequestError(f"{path} holds no public key in PEM.") from error
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"{path} can't be read: {error.strerror}. See docs/federation.md for what stands where."
        ) from error


def _write(path: Path, content: bytes) -> None:
    mode = 0o600 if path.suffix == ".key" else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
