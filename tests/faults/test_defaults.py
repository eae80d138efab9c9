"""The leader applies the defaults of an install from a mounted folder, with the operator's own rights.

A default follows its file until a user edits the object. A default that the API server refuses does not
block the others. A new leader writes nothing when all defaults are up to date.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Api, ApiError, Json
from stargate_lab.process.operator_process import OperatorProcess
from stargate_operator.defaults.applier import AGAIN_SECONDS
from tests.faults.lab import PATIENT, Lab
from tests.kit.plane_recorder import recording_on
from tests.kit.racks import Racks
from tests.kit.story import Story, eventually, exists

GROUP = "/apis/stargate.dev/v1alpha1"
AGAIN = AGAIN_SECONDS + 15


@dataclass
class Mounted:
    """A ConfigMap as the kubelet mounts it: its files link to the current data through one link."""

    path: Path
    data: dict[str, str] = field(default_factory=dict)
    _swaps: int = 0

    def states(self, **files: Json | str) -> None:
        """Replace all files by these in one atomic step."""
        self._swaps += 1
        data = self.path / f"..data-{self._swaps}"
        data.mkdir(parents=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            (data / f"{name}.yaml").write_text(text)
        link = self.path / "..new"
        link.symlink_to(data.name)
        link.rename(self.path / "..data")
        self._link(files)

    def _link(self, files: dict[str, Json | str]) -> None:
        for old in self.path.glob("*.yaml"):
            if old.stem not in files:
                old.unlink()
        for name in files:
            link = self.path / f"{name}.yaml"
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}.yaml")


@dataclass
class Install:
    api: Api
    operator: OperatorProcess
    folder: Mounted
    audit_log: Path
    mark: str = field(default_factory=lambda: uuid4().hex[:6])

    def accelerator(self, name: str, **spec: object) -> Json:
        """An AcceleratorClass with names of this test alone."""
        required = {
            "acceleratorType": f"{name}-{self.mark}",
            "resourceName": f"stargate.dev/{name}-{self.mark}",
        }
        return self.stated("AcceleratorClass", name, {**required, **spec})

    def stated(self, kind: str, name: str, spec: Json) -> Json:
        return {
            "apiVersion": "stargate.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": f"{name}-{self.mark}"},
            "spec": spec,
        }

    def path(self, name: str) -> str:
        return f"{GROUP}/acceleratorclasses/{name}-{self.mark}"

    def spec(self, name: str) -> Json:
        found: Json = self.api.get(self.path(name))["spec"]
        return found

    def edit(self, name: str, **spec: object) -> None:
        """Change fields as a user does, not as the operator."""
        self.api.patch(self.path(name), {"spec": spec})

    def counts(self, state: str) -> float:
        return self.operator.metric("stargate_defaults", state=state)

    def wait(self, **counts: int) -> None:
        expected = ", ".join(f"{count} {state}" for state, count in counts.items())
        eventually(
            lambda: all(self.counts(state) == count for state, count in counts.items()), expected
        )

    def restart(self) -> None:
        self.operator.stop()
        self.operator.start()

    @property
    def written(self) -> list[tuple[str, int]]:
        """Names of the applied objects, and the status codes of the answers."""
        entries = [json.loads(line) for line in self.audit_log.read_bytes().splitlines()]
        found = [
            (entry["objectRef"]["name"], entry["responseStatus"]["code"])
            for entry in entries
            if "fieldManager=stargate-defaults" in entry["requestURI"]
        ]
        return [(name, code) for name, code in found if name.endswith(self.mark)]


@pytest.fixture(scope="module")
def replica(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    lab.operator.stop()
    folder = tmp_path_factory.mktemp("defaults")
    settings = {**PATIENT, "STARGATE_DEFAULTS_DIRECTORY": str(folder)}
    operator = lab.another_operator("brings", settings)
    yield operator
    operator.stop()


@pytest.fixture
def install(lab: Lab, replica: OperatorProcess) -> Iterator[Install]:
    """An install without objects, and its operator, which does not run yet."""
    replica.stop()
    folder = Path(replica.settings["STARGATE_DEFAULTS_DIRECTORY"])
    install = Install(lab.plane.api, replica, Mounted(folder / uuid4().hex), lab.audit_log)
    replica.settings = {**PATIENT, "STARGATE_DEFAULTS_DIRECTORY": str(install.folder.path)}
    yield install
    replica.settings = {**PATIENT, "STARGATE_DEFAULTS_DIRECTORY": str(folder)}
    for kind in ("acceleratorclasses", "computeblocks", "stargateruntimes"):
        for item in lab.plane.api.get(f"{GROUP}/{kind}")["items"]:
            if item["metadata"]["name"].endswith(install.mark):
                lab.plane.api.delete(f"{GROUP}/{kind}/{item['metadata']['name']}")


def test_changed_file_updates_default_unless_field_was_edited(install: Install) -> None:
    install.folder.states(
        left=install.accelerator("left", wattsPerDevice=500),
        edited=install.accelerator("edited", wattsPerDevice=500),
        cut=install.accelerator("cut", wattsPerDevice=500),
        added=install.accelerator("added", wattsPerDevice=500),
        block=install.stated("ComputeBlock", "block", {"pue": 1.3}),
        runtime=install.stated("StargateRuntime", "runtime", {"image": "trainer:1"}),
    )
    install.operator.start()
    install.wait(standing=6, left_alone=0, failed=0)
    assert install.spec("left")["wattsPerDevice"] == 500

    install.edit("edited", wattsPerDevice=900)
    install.edit("cut", wattsPerDevice=None)
    install.edit("added", nodeSelector={"zone": "a"})
    install.restart()
    install.wait(standing=4, left_alone=2)
    assert [code for _, code in install.written] == [201] * 6, "each default is written once"

    install.folder.states(
        left=install.accelerator("left", gpuEquivalentsPerDevice=2),
        edited=install.accelerator("edited", gpuEquivalentsPerDevice=2),
        cut=install.accelerator("cut", gpuEquivalentsPerDevice=2),
        added=install.accelerator("added", gpuEquivalentsPerDevice=2),
    )
    install.wait(standing=2, left_alone=2)
    assert install.spec("left")["gpuEquivalentsPerDevice"] == 2
    assert "wattsPerDevice" not in install.spec("left"), (
        "the operator removes a field that the default dropped"
    )
    assert install.spec("added")["nodeSelector"] == {"zone": "a"}
    assert install.spec("added")["gpuEquivalentsPerDevice"] == 2
    assert install.spec("edited")["wattsPerDevice"] == 900
    assert "wattsPerDevice" not in install.spec("cut")
    assert {install.spec(name)["gpuEquivalentsPerDevice"] for name in ("edited", "cut")} == {1}
    assert exists(install.api, f"{GROUP}/computeblocks/block-{install.mark}"), (
        "a dropped default stays, because jobs may name it"
    )

    written = install.written
    assert len(written) == 8
    install.restart()
    install.wait(standing=2, left_alone=2)
    assert install.written == written, "the operator writes nothing when all is up to date"


def test_invalid_default_is_retried_and_blocks_no_other(install: Install) -> None:
    refused = install.accelerator("refused", resourceName="kubernetes.io/gpu")
    install.folder.states(
        a=install.accelerator("a"),
        typo=install.accelerator("typo", wattsPerDevcie=500),
        refused=refused,
        garbled="{",
        stranger={**install.accelerator("job"), "kind": "StargateJob"},
        z=install.accelerator("z"),
    )
    install.operator.start()
    install.wait(standing=2, failed=4)
    assert install.spec("a")
    assert install.spec("z")
    log = install.operator.log_path.read_text()
    assert "no extended resources" in log, "the API server's own message"
    assert "wattsPerDevcie" in log
    assert install.operator.is_live()

    with forbidden(install.api, f"late-{install.mark}"):
        install.folder.states(a=install.accelerator("a"), late=install.accelerator("late"))
        install.wait(standing=1, failed=1)
    eventually(lambda: install.counts("standing") == 2, "a retry", AGAIN)
    assert install.spec("late")


@contextmanager
def forbidden(api: Api, name: str) -> Iterator[None]:
    """Forbid the creation of that class within the block."""
    admission = "/apis/admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["stargate.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["acceleratorclasses"],
    }
    validations = [{"expression": f"object.metadata.name != '{name}'"}]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations}
    api.create(
        f"{admission}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
    )
    bound = {"policyName": name, "validationActions": ["Deny"]}
    bindings = f"{admission}/validatingadmissionpolicybindings"
    api.create(bindings, {"metadata": {"name": name}, "spec": bound})
    eventually(lambda: not _may_create(api, name), "the admission rule to take effect")
    yield
    api.delete(f"{bindings}/{name}")
    api.delete(f"{admission}/validatingadmissionpolicies/{name}")


def _may_create(api: Api, name: str) -> bool:
    spec = {"acceleratorType": "x", "resourceName": "stargate.dev/x"}
    try:
        path = f"{GROUP}/acceleratorclasses?dryRun=All"
        kind = {"apiVersion": "stargate.dev/v1alpha1", "kind": "AcceleratorClass"}
        api.create(path, {**kind, "metadata": {"name": name}, "spec": spec})
    except ApiError:
        return False
    return True


def test_user_class_and_runtime_take_precedence_over_defaults(
    lab: Lab, install: Install, namespace: str, racks: Racks
) -> None:
    wanted = f"silicon-{install.mark}"
    install.folder.states(
        silicon=install.accelerator("silicon"),
        runtime=install.stated(
            "StargateRuntime",
            "runtime",
            {"isDefault": True, "image": "brought:1", "checkpoint": {"uriPrefix": "s3://x"}},
        ),
    )
    own = install.accelerator("own", acceleratorType=wanted, resourceName=f"stargate.dev/{wanted}")
    install.api.create(f"{GROUP}/acceleratorclasses", own)
    install.operator.start()
    install.wait(standing=2)
    racks.add(wanted, nodes=2)

    with recording_on(lab.plane, namespace, lab.audit_log) as recorder:
        job = Story(install.api, namespace, recorder, install.operator).apply(
            "job", 2, acceleratorType=wanted
        )
        attempt = job.wait_phase("Running").attempts[0]

    assert attempt["class"].startswith(f"own-{install.mark}/")
    assert attempt["runtime"].startswith("default/"), (
        "the runtime of the catalog, which a user applied"
    )


def test_chart_defaults_are_all_applied(install: Install) -> None:
    (config,) = yaml.safe_load_all(chart.template("defaults.yaml"))
    objects = [yaml.safe_load(text) for text in config["data"].values()]
    for item in objects:
        item["metadata"]["name"] += f"-{install.mark}"
    install.folder.states(**{item["metadata"]["name"]: item for item in objects})
    install.operator.start()
    install.wait(standing=len(objects), failed=0)
    assert len(objects) >= 3
