"""Plain requests with a token, without the clients of this project."""

import ssl

import pytest

from stargate_lab.cluster.api import Api, ApiError, Credentials
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.recorder.history import Json

GROUP = "/apis/stargate.dev/v1alpha1"


def jobs(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/stargatejobs"


def bearer(plane: ControlPlane, token: str) -> Api:
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    return Api(Credentials(plane.api.credentials.server, trust, token))


def refused(api: Api, verb: str, path: str, body: Json | None = None) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        getattr(api, verb)(path, *([] if body is None else [body]))
    return refusal.value
