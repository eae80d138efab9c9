"""All settings of the operator. Each is a flag and a STARGATE_* variable; `--help` lists them."""

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stargate_operator.kube.client import WRITE_TIMEOUT
from stargate_operator.model.scope import Scope

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _namespaces(listed: str) -> str:
    """The names as given, without blanks and repeated names."""
    names = list(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))
    for name in names:
        if not _DNS_LABEL.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be a namespace: it takes up to 63 of a-z, 0-9 and -, and begins and"
                " ends with a letter or digit; several are separated by commas"
            )
    return ",".join(names)


class Settings(BaseSettings):
    """The settings of one replica. A flag wins over a variable."""

    model_config = SettingsConfigDict(
        env_prefix="STARGATE_",
        cli_prog_name="stargate-operator run",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        extra="ignore",
    )

    kubeconfig: Path | None = Field(
        default=None,
        description="Kubeconfig file; by default KUBECONFIG, ~/.kube/config, or the pod's own"
        " ServiceAccount.",
    )
    namespace: str = Field(
        default="stargate-system", description="Namespace of the operator itself: lease and pods."
    )
    watch_namespaces: Annotated[str, AfterValidator(_namespaces)] = Field(
        default="",
        description="Namespaces whose jobs are run, separated by commas; all by default. In other"
        " namespaces the operator needs no right to write.",
    )
    defaults_directory: Path | None = Field(
        default=None,
        description="Folder of YAML files, one StargateRuntime, AcceleratorClass or ComputeBlock each."
        " The leader applies them and leaves alone those that somebody has edited.",
    )
    pod_name: str | None = Field(
        default=None, description="Name of this replica's pod; the leader labels it."
    )
    leader_identity: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="Name of this replica in the lease; unique among replicas.",
    )
    lease_name: ObjectName = Field(default="stargate-operator", description="Name of the Lease.")
    lease_duration_seconds: Seconds = Field(
        default=15, description="Seconds until another replica takes the lease of a silent leader."
    )
    lease_renew_deadline_seconds: Seconds = Field(
        default=10,
        description="Seconds for which a leader tries to renew the lease before it ends.",
    )
    lease_retry_seconds: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        default=2, description="Seconds between two attempts to take or renew the lease."
    )
    requests_in_flight: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=32,
        description="Most writes at a time; an answer 429 lowers the number for a while.",
    )
    native_gangs: Literal["auto", "off"] = Field(
        default="auto",
        description="Make gangs PodGroups where the API server serves them.",
    )
    node_lost_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=30,
        description="Seconds for which a node may be gone or not ready before its pods are given up. It"
        " counts after the time that Kubernetes takes to notice (node-monitor-grace-period, 50 s).",
    )
    avoid_lost_nodes_seconds: Annotated[int, Field(ge=0, le=604_800)] = Field(
        default=600, description="Seconds for which a job that lost a node avoids that node."
    )
    compute_seconds: Annotated[float, Field(ge=0.1, le=30)] = Field(
        default=10,
        description="Seconds between two counts of a compute block in which something changed, and at"
        " least between two writes of its status.",
    )
    reports_host: str = Field(
        default="", description="Address the report server listens on; all by default."
    )
    reports_port: Port = Field(default=8443, description="Port of the report server.")
    reports_url: str = Field(
        default="https://stargate-operator-reports.stargate-system.svc:8443",
        description="Base URL under which workers reach the report server.",
    )
    reports_certificate: Path = Field(
        default=Path("/etc/stargate/tls/tls.crt"),
        description="Serving certificate (PEM); read again when it changes.",
    )
    reports_key: Path = Field(
        default=Path("/etc/stargate/tls/tls.key"), description="Its key (PEM)."
    )
    reports_ca: Path = Field(
        default=Path("/etc/stargate/tls/ca.crt"),
        description="CA bundle (PEM) that workers get to verify the report server.",
    )
    probes_host: str = Field(
        default="", description="Address of /healthz, /readyz and /metrics; all by default."
    )
    probes_port: Port = Field(default=8080, description="Port of /healthz, /readyz and /metrics.")
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto is console on a terminal and json elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )

    @model_validator(mode="after")
    def _lease_times_fit(self) -> Self:
        if not self.lease_retry_seconds < self.lease_renew_deadline_seconds:
            raise ValueError("lease-retry-seconds must be less than lease-renew-deadline-seconds")
        if self.lease_duration_seconds - self.lease_renew_deadline_seconds < WRITE_TIMEOUT:
            raise ValueError(
                "lease-duration-seconds must be longer than lease-renew-deadline-seconds by"
                f" {WRITE_TIMEOUT:g} or more: no write may outlive the lease"
            )
        return self

    @model_validator(mode="after")
    def _reports_url_is_https(self) -> Self:
        if not self.reports_url.startswith("https://"):
            raise ValueError("reports-url must start with https://: tokens travel over it")
        return self

    @property
    def scope(self) -> Scope:
        return Scope(tuple(self.watch_namespaces.split(","))) if self.watch_namespaces else Scope()
