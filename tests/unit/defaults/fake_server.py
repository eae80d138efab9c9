"""A folder of defaults and an API server that keeps what is applied to it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stargate_types.base import INSTALLED_SPEC
from tests.unit.kube.fakeapi import Request

SILICON = {"acceleratorType": "stargate_silicon_v2", "resourceName": "stargate.dev/silicon-v2"}


def text(
    name: str = "silicon", kind: str = "AcceleratorClass", spec: Any = SILICON, **more: Any
) -> str:
    meta = {"name": name}
    stated = {"apiVersion": "stargate.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    return yaml.safe_dump({**stated, **more})


@dataclass
class Server:
    """By path. `refusals` are answered, by path, before anything is kept."""

    objects: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    asked: int = 0

    async def answer(self, request: Request) -> None:
        self.asked += 1
        name = request.path.rpartition("/")[2]
        if request.verb == "GET":
            found = self.objects.get(name)
            await (request.answer(200, found) if found else request.status(404, "NotFound"))
        elif name in self.refusals:
            code, message = self.refusals[name]
            cause = {"reason": "FieldManagerConflict", "field": ".spec.image", "message": message}
            details = {"causes": [cause] if code == 409 else []}
            body = {"code": code, "reason": "No", "message": message, "details": details}
            await request.answer(code, body)
        else:
            await self._keep(name, request)

    async def _keep(self, name: str, request: Request) -> None:
        assert request.headers["content-type"] == "application/apply-patch+yaml"
        assert "fieldManager=stargate-defaults" in request.target
        assert "force" not in request.target
        body = request.json()
        known = self.objects.get(name)
        assert body["metadata"].pop("resourceVersion", "") == (
            known["metadata"]["resourceVersion"] if known else ""
        )
        self.applied.append(name)
        version = str(len(self.applied))
        self.objects[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        await request.answer(200, self.objects[name])

    def edit(self, name: str, **spec: Any) -> None:
        self.objects[name]["spec"] |= spec

    def own(self, name: str) -> None:
        """Somebody made it."""
        self.objects[name] = {"metadata": {"name": name, "resourceVersion": "1"}, "spec": {}}

    def installed(self, name: str) -> str:
        return str(self.objects[name]["metadata"]["annotations"][INSTALLED_SPEC])


@dataclass
class Folder:
    path: Path

    def holds(self, **files: str) -> None:
        """These and no other, as when a ConfigMap is swapped."""
        for old in self.path.iterdir():
            old.unlink()
        for name, content in files.items():
            (self.path / f"{name}.yaml").write_text(content)
