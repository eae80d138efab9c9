"""The chart, rendered once for each set of values."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from stargate_lab.cluster import chart

Json = dict[str, Any]

EVERYTHING = """
replicaCount: 3
watchNamespaces: [team-a, team-b]
certificate: {certManager: {enabled: true}}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  egress: {enabled: true, apiServer: [{ipBlock: {cidr: 10.0.0.1/32}}]}
metrics:
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
podAnnotations: {example.com/team: platform}
podLabels: {example.com/team: platform}
nodeSelector: {node-role.kubernetes.io/control-plane: ""}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
imagePullSecrets: [registry]
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]
settings: {nodeLostSeconds: 60, leaseRetrySeconds: 1.5, nativeGangs: "off"}
"""
"""Values with every switch on and an entry in every list."""


@dataclass(frozen=True)
class Objects:
    all: tuple[Json, ...]

    def of(self, kind: str) -> tuple[Json, ...]:
        return tuple(found for found in self.all if found["kind"] == kind)

    def one(self, kind: str, name: str = chart.NAME) -> Json:
        (only,) = (found for found in self.of(kind) if found["metadata"]["name"] == name)
        return only

    @property
    def names(self) -> set[str]:
        return {f"{found['kind']}/{found['metadata']['name']}" for found in self.all}

    @property
    def pod(self) -> Json:
        """The template of the operator's pods."""
        template: Json = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> Json:
        (found,) = self.pod["spec"]["containers"]
        return dict(found)


@cache
def rendered(values: str = "", *arguments: str) -> Objects:
    """`values` is YAML."""
    text = chart.template(values=values, arguments=arguments)
    return Objects(tuple(found for found in yaml.load_all(text, yaml.CSafeLoader) if found))
