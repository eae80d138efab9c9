"""An ECDSA certificate for the report server, issued by a CA of our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVICE = "stargate-operator-reports.stargate-system"
NAMES = ("localhost", "127.0.0.1", "::1", SERVICE, f"{SERVICE}.svc", f"{SERVICE}.svc.cluster.local")
_CA_DAYS = 3650
_LEAF_DAYS = 90


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class _Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def issue(directory: Path, names: Sequence[str] = NAMES) -> Certificates:
    """A new CA and one serving certificate of it; the CA's key is not kept."""
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(*(directory / name for name in ("ca.crt", "tls.crt", "tls.key")))
    issuer = _Issuer(_common_name("stargate lab CA"), _new_key())
    key = _new_key()
    files.ca.write_bytes(_pem(_ca(issuer)))
    files.certificate.write_bytes(_pem(_leaf(issuer, key, names)))
    files.key.touch(mode=0o600)
    files.key.write_bytes(_key_pem(key))
    return files


def _ca(issuer: _Issuer) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(issuer.name, issuer, issuer.key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_key_id(issuer), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _leaf(
    issuer: _Issuer, key: ec.EllipticCurvePrivateKey, names: Sequence[str]
) -> x509.Certificate:
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_key_id(issuer))
    return (
        _builder(_common_name(names[0]), issuer, key, _LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: _Issuer, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )


def _key_id(issuer: _Issuer) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(issuer.key.public_key())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
