"""Kill, disconnect and restore nodes, and send signals to the containers' processes.

A node is a Docker container. A container's first process cannot be killed from inside. It is therefore
found on its node by the container ID in the pod's status.
"""

import json
from dataclasses import dataclass

from stargate_lab.cluster.api import Api, Json
from stargate_lab.host.docker import docker, succeeds

NETWORK = "kind"
DEVICES = 64
"""Room for a whole gang on either node."""

_FIRST_PROCESS = """
for each in $(grep -ls "$1" /proc/[0-9]*/cgroup); do
  set -- "$1" $(awk '/^NSpid:/ { print $2, $NF }' "${each%/cgroup}/status" 2>/dev/null)
  [ "$3" = 1 ] && echo "$2" && exit
done
exit 1
"""
"""The pid on the node of the process that is pid 1 in the container with the given ID."""


@dataclass(frozen=True)
class Node:
    name: str
    api: Api

    def kill(self) -> None:
        docker("kill", self.name)

    def start(self) -> None:
        docker("start", self.name)

    def cut_off(self) -> str:
        """Disconnect the node. Return its address, to reconnect it with."""
        address = self._address()
        docker("network", "disconnect", NETWORK, self.name)
        return address

    def reconnect(self, address: str) -> None:
        """Docker may refuse a chosen address. It then assigns the next free one, which is the same."""
        connect = ("network", "connect")
        if not succeeds(*connect, "--ip", address, NETWORK, self.name):
            docker(*connect, NETWORK, self.name)

    @property
    def ready(self) -> bool:
        conditions = self.api.get(f"/api/v1/nodes/{self.name}")["status"]["conditions"]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def signal(self, pod: Json, name: str) -> None:
        """Signal the first process of the pod's first container. SIGKILL and SIGSTOP also work."""
        self.run("kill", "-s", name, self.first_process(pod))

    def first_process(self, pod: Json) -> str:
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        return self.run("sh", "-c", _FIRST_PROCESS, "sh", container)

    def runs(self, namespace: str, pods: list[str]) -> bool:
        """True if a process of these pods still runs, even if the pods are deleted."""
        found = self.run("sh", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
        here = {line.removeprefix("HOSTNAME=") for line in found.splitlines()}
        return f"STARGATE_NAMESPACE={namespace}" in here and bool(here & set(pods))

    def run(self, *command: str) -> str:
        return docker("exec", self.name, *command)

    def _address(self) -> str:
        found = json.loads(docker("inspect", "--format", "{{json .NetworkSettings}}", self.name))
        return str(found["Networks"][NETWORK]["IPAddress"])
