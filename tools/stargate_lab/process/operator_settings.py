"""The operator's settings that the lab sets. No other module of the lab names them."""

from collections.abc import Mapping
from dataclasses import dataclass

from stargate_lab.host.certificates import Certificates
from stargate_lab.host.ports import free_ports


@dataclass(frozen=True)
class Ports:
    reports: int
    probes: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(*free_ports(2))


def environment(
    ports: Ports, certificates: Certificates, identity: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """`extra` overrides the lab's settings: a test changes one and keeps the rest.

    The identity outlives a restart, as a pod's name does: a killed leader takes its lease up again
    instead of waiting it out.
    """
    return {
        "STARGATE_LEADER_IDENTITY": identity,
        "STARGATE_REPORTS_HOST": "127.0.0.1",
        "STARGATE_REPORTS_PORT": str(ports.reports),
        "STARGATE_REPORTS_URL": f"https://127.0.0.1:{ports.reports}",
        "STARGATE_REPORTS_CERTIFICATE": str(certificates.certificate),
        "STARGATE_REPORTS_KEY": str(certificates.key),
        "STARGATE_REPORTS_CA": str(certificates.ca),
        "STARGATE_PROBES_HOST": "127.0.0.1",
        "STARGATE_PROBES_PORT": str(ports.probes),
        **extra,
    }
