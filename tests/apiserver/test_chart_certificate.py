"""The chart's own certificate over the years: each upgrade reads the certificate before it."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stargate_lab.cluster import chart
from stargate_lab.cluster.control_plane import ControlPlane

Secret = dict[str, Any]
SECRET = "stargate-operator-tls"
OFF = {"enabled": False}
NAMESPACED = {
    "crds": OFF,
    "admissionPolicy": OFF,
    "flowSchema": OFF,
    "rbac": {"create": False},
}
"""Values for a release that has objects in its namespace only."""
UNTIL, NEXT_UNTIL = "stargate.dev/not-after", "stargate.dev/next-not-after"


@pytest.fixture
def upgrade(plane: ControlPlane, namespace: str) -> Callable[[], Secret]:
    """Renders the Secret that the next upgrade would write; helm reads the cluster for it."""

    def render() -> Secret:
        text = chart.helm(
            *("template", chart.NAME, str(chart.CHART), "--dry-run=server"),
            *("--show-only", "templates/certificate.yaml"),
            *chart.on(namespace, plane.kubeconfig),
            values=yaml.safe_dump(NAMESPACED),
        )
        return dict(yaml.safe_load(text))

    return render


@pytest.fixture
def aged(plane: ControlPlane, namespace: str) -> Callable[[Secret, int | None], Secret]:
    """Stores the Secret in the cluster as one that expires in so many days."""
    path = f"/api/v1/namespaces/{namespace}/secrets"

    def store(secret: Secret, days_left: int | None) -> Secret:
        annotations = {
            **secret["metadata"]["annotations"],
            "meta.helm.sh/release-name": chart.NAME,
            "meta.helm.sh/release-namespace": namespace,
            UNTIL: _in(days_left),
        }
        stated = {key: value for key, value in annotations.items() if value is not None}
        body = {**secret, "metadata": {**secret["metadata"], "annotations": stated}}
        plane.api.apply(f"{path}/{SECRET}", body, manager="helm")
        return body

    return store


def _in(days: int | None) -> str | None:
    return None if days is None else f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def certificates(secret: Secret, name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(base64.b64decode(secret["data"][name]))


def signer(secret: Secret) -> int:
    """The index in the bundle of the CA that signed the served certificate."""
    (leaf,) = certificates(secret, "tls.crt")
    for index, ca in enumerate(certificates(secret, "ca.crt")):
        key = ca.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if _signed(leaf, ca):
            return index
    raise AssertionError("no CA that workers trust has signed it")


def _signed(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if authority.key_identifier != subject.digest:
        return False
    leaf.verify_directly_issued_by(ca)
    return True


Upgrade = Callable[[], Secret]
Aged = Callable[[Secret, int | None], Secret]


@pytest.mark.parametrize("days", [3000, 800, None])
def test_upgrade_keeps_valid_certificate_unchanged(
    upgrade: Upgrade, aged: Aged, days: int | None
) -> None:
    """None stands for a certificate made by hand under this name; its owner renews it."""
    view = aged(upgrade(), days)
    found = upgrade()
    assert found["data"] == view["data"]
    assert found["metadata"]["annotations"].get(UNTIL) == _in(days)


def test_next_ca_is_trusted_two_years_before_expiry(upgrade: Upgrade, aged: Aged) -> None:
    view = aged(upgrade(), 700)
    prepared = upgrade()
    assert prepared["data"]["tls.crt"] == view["data"]["tls.crt"]
    assert certificates(prepared, "ca.crt")[1:] == certificates(view, "ca.crt")
    assert signer(prepared) == 1
    aged(prepared, 690)
    assert upgrade()["data"] == prepared["data"]


def test_prepared_certificate_is_used_one_year_before_expiry(upgrade: Upgrade, aged: Aged) -> None:
    aged(upgrade(), 700)
    prepared = aged(upgrade(), 300)
    renewed = upgrade()
    assert renewed["data"]["ca.crt"] == prepared["data"]["ca.crt"]
    assert renewed["data"]["tls.crt"] == prepared["data"]["next.crt"]
    assert set(renewed["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    assert signer(renewed) == 0
    until = renewed["metadata"]["annotations"]
    assert until[UNTIL] == prepared["metadata"]["annotations"][NEXT_UNTIL]
    assert NEXT_UNTIL not in until
    aged(renewed, 3600)
    assert upgrade()["data"] == renewed["data"]


def test_expired_certificate_is_replaced_at_once(upgrade: Upgrade, aged: Aged) -> None:
    view = aged(upgrade(), -3)
    renewed = upgrade()
    assert signer(renewed) == 0
    assert certificates(renewed, "ca.crt")[1:] == certificates(view, "ca.crt")
    assert renewed["data"]["tls.key"] != view["data"]["tls.key"]


def test_ca_bundle_holds_only_old_and_new_ca(upgrade: Upgrade, aged: Aged) -> None:
    aged(upgrade(), 100)
    first = aged(upgrade(), 100)
    second = upgrade()
    bundle = certificates(second, "ca.crt")
    assert len(bundle) == 2
    assert bundle[1] == certificates(first, "ca.crt")[0]
