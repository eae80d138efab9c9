"""The certificate that the chart makes, over the years: each upgrade looks at the one before."""

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
"""The cluster's own objects are not this release's."""
UNTIL, NEXT_UNTIL = "stargate.dev/not-after", "stargate.dev/next-not-after"


@pytest.fixture
def upgrade(plane: ControlPlane, namespace: str) -> Callable[[], Secret]:
    """What the next upgrade would write, having looked into the cluster."""

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
def passed(plane: ControlPlane, namespace: str) -> Callable[[Secret, int | None], Secret]:
    """The Secret stands in the cluster, and so many days of it are left."""
    path = f"/api/v1/namespaces/{namespace}/secrets"

    def store(secret: Secret, days_left: int | None) -> Secret:
        annotations = {
            **secret["metadata"]["annotations"],
            "meta.helm.sh/release-name": chart.NAME,
            "meta.helm.sh/release-namespace": namespace,
            UNTIL: _in(days_left),
        }
        said = {key: each for key, each in annotations.items() if each is not None}
        body = {**secret, "metadata": {**secret["metadata"], "annotations": said}}
        plane.api.apply(f"{path}/{SECRET}", body, manager="helm")
        return body

    return store


def _in(days: int | None) -> str | None:
    return None if days is None else f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def certificates(secret: Secret, name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(base64.b64decode(secret["data"][name]))


def signer(secret: Secret) -> int:
    """Which CA of the bundle has signed what is served."""
    (leaf,) = certificates(secret, "tls.crt")
    for index, ca in enumerate(certificates(secret, "ca.crt")):
        key = ca.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if _signed(leaf, ca):
            return index
    raise AssertionError("none of the CAs that workers trust")


def _signed(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if authority.key_identifier != subject.digest:
        return False
    leaf.verify_directly_issued_by(ca)
    return True


Upgrade = Callable[[], Secret]
Passed = Callable[[Secret, int | None], Secret]


@pytest.mark.parametrize("days", [3000, 800, None])
def test_upgrade_keeps_valid_certificate_unchanged(
    upgrade: Upgrade, passed: Passed, days: int | None
) -> None:
    """None: one that somebody made by hand under this name; it is theirs to renew."""
    view = passed(upgrade(), days)
    found = upgrade()
    assert found["data"] == view["data"]
    assert found["metadata"]["annotations"].get(UNTIL) == _in(days)


def test_next_ca_is_trusted_two_years_before_expiry(upgrade: Upgrade, passed: Passed) -> None:
    view = passed(upgrade(), 700)
    prepared = upgrade()
    assert prepared["data"]["tls.crt"] == view["data"]["tls.crt"]
    assert certificates(prepared, "ca.crt")[1:] == certificates(view, "ca.crt")
    assert signer(prepared) == 1
    passed(prepared, 690)
    assert upgrade()["data"] == prepared["data"]


def test_prepared_certificate_is_used_one_year_before_expiry(
    upgrade: Upgrade, passed: Passed
) -> None:
    passed(upgrade(), 700)
    prepared = passed(upgrade(), 300)
    renewed = upgrade()
    assert renewed["data"]["ca.crt"] == prepared["data"]["ca.crt"]
    assert renewed["data"]["tls.crt"] == prepared["data"]["next.crt"]
    assert set(renewed["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    assert signer(renewed) == 0
    until = renewed["metadata"]["annotations"]
    assert until[UNTIL] == prepared["metadata"]["annotations"][NEXT_UNTIL]
    assert NEXT_UNTIL not in until
    passed(renewed, 3600)
    assert upgrade()["data"] == renewed["data"]


def test_expired_certificate_is_replaced_at_once(upgrade: Upgrade, passed: Passed) -> None:
    view = passed(upgrade(), -3)
    renewed = upgrade()
    assert signer(renewed) == 0
    assert certificates(renewed, "ca.crt")[1:] == certificates(view, "ca.crt")
    assert renewed["data"]["tls.key"] != view["data"]["tls.key"]


def test_ca_bundle_holds_only_old_and_new_ca(upgrade: Upgrade, passed: Passed) -> None:
    passed(upgrade(), 100)
    first = passed(upgrade(), 100)
    second = upgrade()
    bundle = certificates(second, "ca.crt")
    assert len(bundle) == 2
    assert bundle[1] == certificates(first, "ca.crt")[0]
