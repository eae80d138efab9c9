"""The script of the `helm test` pod, run against an operator: it passes, or fails with a reason."""

import subprocess
import sys
from pathlib import Path

from stargate_lab.cluster.chart import CHART
from stargate_lab.host.certificates import issue
from stargate_lab.process.operator_process import OperatorProcess

ANSWERS = CHART / "files" / "answers.py"


def run_script(operator: OperatorProcess, ca: Path, patience: str = "30") -> tuple[int, str]:
    """Runs the pod's script with this operator's addresses. Returns its exit code and its output."""
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
    code, output = run_script(operator, operator.certificates.ca)
    assert code == 0, output
    assert output == f"{operator.reports_url} answers over TLS\nhealthy: 127.0.0.1\n"


def test_helm_test_fails_with_an_untrusted_certificate(
    operator: OperatorProcess, tmp_path: Path
) -> None:
    code, output = run_script(operator, issue(tmp_path).ca, patience="0")
    assert code == 1
    assert "certificate verify failed" in output
