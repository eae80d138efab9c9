"""What cannot start says so, in plain words, while somebody still looks."""

from tests.e2e.site import Site
from tests.e2e.training import PLAIN

SOON = 30.0


def test_missing_image_is_reported_in_job_status(site: Site) -> None:
    template = PLAIN.template() | {
        "image": "registry.invalid/no/such:image",
        "imagePullPolicy": "IfNotPresent",
    }
    job = site.train(PLAIN, ranks=2, template=template)

    said = job.wait_condition("Ready", "False", "ContainerCannotStart", seconds=SOON)

    assert "ImagePull" in said["message"]
    assert "registry.invalid/no/such:image" in said["message"]


def test_missing_command_is_reported_in_job_status(site: Site) -> None:
    template = PLAIN.template() | {"command": ["/no/such/program"]}
    job = site.train(PLAIN, ranks=2, template=template)

    said = job.wait_condition("Ready", "False", "ContainerCannotStart", seconds=SOON)

    assert "/no/such/program" in said["message"]
