"""A worker that cannot start is reported in the job's status within seconds."""

from tests.e2e.site import Site
from tests.e2e.training import PLAIN

SOON = 30.0


def test_missing_image_is_reported_in_job_status(site: Site) -> None:
    template = PLAIN.template() | {
        "image": "registry.invalid/no/such:image",
        "imagePullPolicy": "IfNotPresent",
    }
    job = site.train(PLAIN, ranks=2, template=template)

    condition = job.wait_condition("Ready", "False", "ContainerCannotStart", seconds=SOON)

    assert "ImagePull" in condition["message"]
    assert "registry.invalid/no/such:image" in condition["message"]


def test_missing_command_is_reported_in_job_status(site: Site) -> None:
    template = PLAIN.template() | {"command": ["/no/such/program"]}
    job = site.train(PLAIN, ranks=2, template=template)

    condition = job.wait_condition("Ready", "False", "ContainerCannotStart", seconds=SOON)

    assert "/no/such/program" in condition["message"]
