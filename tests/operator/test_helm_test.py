"""What `helm test` runs in a pod, run against an operator: it passes, and it fails for a reason."""

import subprocess
import sys
from pathlib import Path

from stargate_lab.cluster.chart import CHART
from stargate_lab.host.certificates import issue
from stargate_lab.process.operator_process import OperatorProcess

ANSWERS = CHART / "files" / "answers.py"


def asked(operator: OperatorProcess, ca: Path, patience: str = "30") -> tuple[int, str]:
    """As the pod asks, of another address; its exit status and what it said."""
    health = f"http://127.0.0.1:{operator.ports.probes}"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ANSWERS.read_text(),
            operator.reports_url,
            str(ca),
            health,
            patience,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_helm_test_passes_with_a_leading_operator(operator: OperatorProcess) -> None:
    code, said = asked(operator, operator.certificates.ca)
    assert code == 0, said
    assert said == f"{operator.reports_url} answers over TLS\nhealthy: 127.0.0.1\n"


def test_helm_test_fails_with_an_untrusted_certificate(
    operator: OperatorProcess, tmp_path: Path
) -> None:
    code, said = asked(operator, issue(tmp_path).ca, patience="0")
    assert code == 1
    assert "certificate verify failed" in said
