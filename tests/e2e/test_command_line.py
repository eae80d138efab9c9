"""`kubectl stargate` and its client read logs from a real kubelet."""

import subprocess
import sys
from pathlib import Path

from stargate_api import Client
from tests.e2e.site import Site, trains_past
from tests.e2e.training import PLAIN

PLUGIN = str(Path(sys.executable).parent / "kubectl-stargate")
RANK = 1


def stargate(site: Site, *words: str) -> str:
    where = ("--namespace", site.namespace, "--kubeconfig", str(site.cluster.kubeconfig))
    done = subprocess.run(
        [PLUGIN, *words, *where], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_plugin_shows_job_status_and_worker_logs(site: Site) -> None:
    job = site.train(PLAIN, ranks=2, epochs=10)
    trains_past(job, PLAIN.interval)
    begins = f"rank {RANK} of 2 begins after epoch 0"

    assert "all 2 workers running" in stargate(site, "status", job.name)
    assert stargate(site, "logs", job.name, "--rank", str(RANK)).startswith(begins)
    with Client(kubeconfig=str(site.cluster.kubeconfig), namespace=site.namespace) as client:
        assert next(iter(client.logs(job.name, RANK))) == begins
    followed = stargate(site, "logs", job.name, "--rank", str(RANK), "--follow").splitlines()

    assert followed[0] == begins
    assert followed[-1].startswith("epoch 10 "), "the log is followed to its last line"
    assert stargate(site, "watch", job.name).splitlines()[-1].split()[1] == "Succeeded,"
