"""The kinds that the server knows, and the objects that request paths name."""

from __future__ import annotations

from dataclasses import dataclass

STARGATE = "stargate.dev/v1alpha1"


@dataclass(frozen=True)
class Resource:
    """`has_status` means that the status is a subresource."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True
    has_status: bool = False

    @property
    def has_generation(self) -> bool:
        """Custom resources have `metadata.generation`, and pods too since Kubernetes 1.33."""
        return self.has_status or self.api_version == STARGATE

    @property
    def group_resource(self) -> str:
        """The resource as error messages name it: `stargatejobs.stargate.dev`, `pods`."""
        group, slash, _ = self.api_version.partition("/")
        return f"{self.plural}.{group}" if slash else self.plural


PODS = Resource("v1", "pods", "Pod", has_status=True)
SERVICES = Resource("v1", "services", "Service")
NODES = Resource("v1", "nodes", "Node", namespaced=False, has_status=True)
EVENTS = Resource("v1", "events", "Event")
LEASES = Resource("coordination.k8s.io/v1", "leases", "Lease")
JOBS = Resource(STARGATE, "stargatejobs", "StargateJob", has_status=True)
RUNTIMES = Resource(STARGATE, "stargateruntimes", "StargateRuntime", namespaced=False)
CLASSES = Resource(STARGATE, "acceleratorclasses", "AcceleratorClass", namespaced=False)
BLOCKS = Resource(STARGATE, "computeblocks", "ComputeBlock", namespaced=False, has_status=True)

RESOURCES = (PODS, SERVICES, NODES, EVENTS, LEASES, JOBS, RUNTIMES, CLASSES, BLOCKS)
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"

_BY_PATH = {(each.api_version, each.plural): each for each in RESOURCES}


@dataclass(frozen=True)
class Key:
    """The identity of one object."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True)
class Target:
    """The object of a request path: a collection (no `name`), an object, or a subresource."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.resource, self.namespace, self.name)

    @property
    def audited(self) -> str:
        """The resource as the audit log names it: `pods`, `stargatejobs/status`."""
        parts = (self.resource.plural, self.subresource)
        return "/".join(part for part in parts if part)


def target_of(path: str) -> Target | None:
    """None if the server does not serve the path."""
    parts = path.strip("/").split("/")
    root, rest = parts[0], parts[1:]
    count = 1 if root == "api" else 2
    version, rest = "/".join(rest[:count]), rest[count:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource = _BY_PATH.get((version, rest[0])) if rest else None
    if resource is None or len(rest) > 3:
        return None
    name, subresource = [*rest[1:], "", ""][:2]
    return Target(resource, namespace, name, subresource)


def path_of(key: Key, subresource: str = "") -> str:
    resource = key.resource
    root = "api" if resource.api_version == "v1" else "apis"
    namespace = f"/namespaces/{key.namespace}" if resource.namespaced and key.namespace else ""
    parts = (resource.plural, key.name, subresource)
    return f"/{root}/{resource.api_version}{namespace}/" + "/".join(part for part in parts if part)
