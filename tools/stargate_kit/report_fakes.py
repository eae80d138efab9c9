"""Builders and fakes for reports: a certificate, a token, a pod, a job, an API server."""

import asyncio
import base64
import datetime as dt
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stargate_operator.model.pod import Pod
from stargate_operator.model.reports import CheckpointReport, CheckpointState, ProgressReport
from stargate_operator.model.scope import EVERYWHERE, Scope
from stargate_operator.reports.job_lookup import JobView
from stargate_operator.reports.pending import PendingReports
from stargate_types.position import Position
from stargate_types.status import Checkpoint, Checkpoints, StargateJobStatus

T = TypeVar("T")
JOB = "job-uid"
FOLDER = "s3://bucket/train/materia/attempt-1"
T0 = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return T0 + dt.timedelta(seconds=seconds)


def certificate(folder: Path, *, serial: int = 1) -> tuple[Path, Path]:
    """A self-signed ECDSA certificate for localhost, written as a pair of files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "tls.crt", folder / "tls.key"
    crt.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return crt, pem


def token(pod_uid: str, *, exp: float = 4e9) -> str:
    payload = json.dumps({"exp": exp, "sub": pod_uid}).encode()
    return f"head.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.signature"


def pod(rank: int = 0, *, attempt: int = 1, name: str = "materia", deleting: bool = False) -> Pod:
    return Pod(
        name=f"{name}-{attempt}-{rank}",
        namespace="train",
        uid=f"pod-{attempt}-{rank}",
        resource_version=1,
        job_uid=JOB,
        owner_uid=JOB,
        job_name=name,
        attempt=attempt,
        rank=rank,
        deleting=deleting,
    )


def view(*checkpoints: CheckpointReport, attempt: int = 1, **rest: Any) -> JobView:
    defaults: dict[str, Any] = {
        "namespace": "train",
        "name": "materia",
        "attempt": attempt,
        "epochs": 100,
        "world_size": 4,
        "stop": False,
        "checkpoint_folder": f"s3://bucket/train/materia/attempt-{attempt}",
        "checkpoints": tuple(map(recorded, checkpoints)),
    }
    return JobView(**(defaults | rest))


def progress(
    epoch: int | None, seconds: float = 0, *, rank: int = 0, attempt: int = 1, **rest: Any
) -> ProgressReport:
    defaults: dict[str, Any] = {"step": None, "metrics": ()}
    return ProgressReport(
        attempt=attempt, rank=rank, epoch=epoch, at=at(seconds), **(defaults | rest)
    )


def checkpoint(
    epoch: int,
    state: CheckpointState = "Complete",
    *,
    step: int | None = None,
    attempt: int = 1,
    uri: str = "",
    seconds: float = 0,
) -> CheckpointReport:
    mid_epoch = "" if step is None else f"-step-{step}"
    return CheckpointReport(
        attempt=attempt,
        position=Position(epoch, step),
        uri=uri or f"{FOLDER}/epoch-{epoch}{mid_epoch}",
        size_bytes=None,
        state=state,
        at=at(seconds),
    )


def recorded(report: CheckpointReport) -> Checkpoint:
    """The checkpoint as a status has it."""
    return Checkpoint(
        epoch=report.position.epoch,
        step=report.position.step,
        uri=report.uri,
        state=report.state,
        time=report.at,
        attempt=report.attempt,
    )


def status(*reports: CheckpointReport, attempt: int = 1) -> StargateJobStatus:
    """A status with these checkpoints, newest first."""
    listed = list(map(recorded, reports))
    checkpoints = Checkpoints(latest=listed[0], history=listed[1:]) if listed else None
    return StargateJobStatus(attempt=attempt, checkpoints=checkpoints)


@dataclass
class Reviewer:
    """An API server that accepts the tokens made by `token`, and counts the reviews."""

    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    trouble: Exception | None = None
    seconds: float = 0.0
    answer: Callable[[str], dict[str, Any]] | None = None

    async def create_for(self, path: str, body: bytes, as_: type[T]) -> T:
        assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
        spec = msgspec.json.decode(body)["spec"]
        assert spec["audiences"] == ["stargate.dev"]
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        if self.trouble is not None:
            raise self.trouble
        answer = (self.answer or vouch)(spec["token"])
        return msgspec.json.decode(msgspec.json.encode({"status": answer}), type=as_)


def vouch(for_token: str) -> dict[str, Any]:
    try:
        payload = base64.urlsafe_b64decode(for_token.split(".")[1] + "==")
        uid = json.loads(payload)["sub"]
    except (IndexError, ValueError):
        return {"error": f"invalid bearer token {for_token}"}
    return {
        "authenticated": True,
        "audiences": ["stargate.dev"],
        "user": {"extra": {"authentication.kubernetes.io/pod-uid": [uid]}},
    }


@dataclass
class FakeJobLookup:
    """Knows one job and its pods. When woken, it writes what is pending, unless it is `stuck`."""

    pending: PendingReports = field(default_factory=PendingReports)
    job: JobView | None = field(default_factory=view)
    pods: dict[str, Pod] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    leads: bool = True
    scope: Scope = EVERYWHERE
    stuck: bool = False
    woken: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    def with_pods(self, *pods: Pod) -> "FakeJobLookup":
        self.pods.update({pod.uid: pod for pod in pods})
        return self

    def is_leader(self) -> bool:
        return self.leads

    def serves(self, namespace: str) -> bool:
        return namespace in self.scope

    def pod(self, pod_uid: str) -> Pod | None:
        return self.pods.get(pod_uid)

    def is_gone(self, pod_uid: str) -> bool:
        return pod_uid in self.deleted

    def view(self, job_uid: str) -> JobView | None:
        return self.job if job_uid == JOB else None

    def wake(self, job_uid: str) -> None:
        self.woken.append(job_uid)
        if not self.stuck:
            asyncio.get_running_loop().call_later(0.01, self.write)

    def progressed(self, job_uid: str) -> None:
        self.progress.append(job_uid)

    def expire(self, report: CheckpointReport) -> None:
        """A reconcile whose status no longer keeps this checkpoint."""
        kept = status(report, report)  # the newest stands twice: as the latest, and in the history
        self.pending.mark_written(JOB, status(), before=kept)

    def write(self) -> None:
        """Reconciles: puts every pending checkpoint into the status."""
        assert self.job is not None
        pending = self.pending.of(JOB).checkpoints
        written = tuple(map(recorded, pending))
        self.job = replace(self.job, checkpoints=written + self.job.checkpoints)
        self.pending.mark_written(JOB, status(*pending, attempt=self.job.attempt))
