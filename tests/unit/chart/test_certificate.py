"""Workers trust the report server's certificate, from each of its sources."""

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.rendered import EVERYTHING, rendered

SECRET = "stargate-operator-tls"
HOST = "stargate-operator-reports.stargate-system.svc"


def files(folder: Path) -> dict[str, Path]:
    """The Secret's, as it is mounted."""
    found = {}
    for name, text in rendered().one("Secret", SECRET)["data"].items():
        found[name] = folder / name
        found[name].write_bytes(base64.b64decode(text))
    return found


def test_workers_trust_the_certificate_in_strict_mode(tmp_path: Path) -> None:
    """Python 3.13 checks this strictly by itself."""
    found = files(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(found["tls.crt"], found["tls.key"])
    trust = ssl.create_default_context(cafile=found["ca.crt"])
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=lambda: server.wrap_socket(ours, server_side=True).close())
    serving.start()
    with trust.wrap_socket(theirs, server_hostname=HOST) as connection:
        assert connection.version() == "TLSv1.3"
    serving.join()


def test_certificate_is_ecdsa_for_the_report_service_alone(tmp_path: Path) -> None:
    leaf = x509.load_pem_x509_certificate(files(tmp_path)["tls.crt"].read_bytes())
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        HOST,
        HOST.removesuffix(".svc"),
        f"{HOST}.cluster.local",
    }


def test_certificate_annotation_has_its_expiry(tmp_path: Path) -> None:
    secret = rendered().one("Secret", SECRET)
    until = datetime.fromisoformat(secret["metadata"]["annotations"]["stargate.dev/not-after"])
    leaf = x509.load_pem_x509_certificate(files(tmp_path)["tls.crt"].read_bytes())
    assert abs(leaf.not_valid_after_utc - until.replace(tzinfo=UTC)) <= timedelta(days=1)
    assert until.replace(tzinfo=UTC) > datetime.now(UTC) + timedelta(days=3640)


def test_certificate_outlives_its_release() -> None:
    annotations = rendered().one("Secret", SECRET)["metadata"]["annotations"]
    assert annotations["helm.sh/resource-policy"] == "keep"


def test_ca_key_is_not_kept() -> None:
    assert set(rendered().one("Secret", SECRET)["data"]) == {"ca.crt", "tls.crt", "tls.key"}


THEIRS = "certificate: {existingSecret: theirs}"


def test_existing_secret_is_mounted_and_none_is_made() -> None:
    found = rendered(THEIRS)
    assert not found.of("Secret")
    mounted = found.pod["spec"]["volumes"][0]["secret"]["secretName"]
    assert mounted == "theirs"
    assert found.of("Pod")[0]["spec"]["volumes"][0]["secret"]["secretName"] == "theirs"


def test_cert_manager_issues_the_certificate_from_its_ca() -> None:
    found = rendered(EVERYTHING)
    assert not found.of("Secret")
    leaf, ca = found.one("Certificate")["spec"], found.one("Certificate", "stargate-operator-ca")
    assert leaf["secretName"] == found.pod["spec"]["volumes"][0]["secret"]["secretName"]
    assert leaf["issuerRef"] == {"kind": "Issuer", "name": "stargate-operator-ca"}
    issuer = found.one("Issuer", "stargate-operator-ca")["spec"]
    assert issuer["ca"]["secretName"] == ca["spec"]["secretName"]
    assert ca["spec"]["isCA"]
    assert ca["spec"]["privateKey"] == {
        "algorithm": "ECDSA",
        "size": 256,
        "rotationPolicy": "Never",
    }
    assert HOST in leaf["dnsNames"]


@pytest.mark.parametrize("kind", ["Issuer", "ClusterIssuer"])
def test_cert_manager_issues_from_a_named_issuer(kind: str) -> None:
    reference = f"{{kind: {kind}, name: ours}}"
    found = rendered(f"certificate: {{certManager: {{enabled: true, issuerRef: {reference}}}}}")
    assert found.one("Certificate")["spec"]["issuerRef"] == {"kind": kind, "name": "ours"}
    assert not found.of("Issuer")
