"""All names that others see: labels, reasons, ports, paths. A message is in
the code that uses it."""

from stargate_feasibility import reasons as feasibility

GROUP = "stargate.dev"
FIELD_MANAGER = "stargate-operator"

LABEL_JOB_NAME = "stargate.dev/job-name"
LABEL_JOB_UID = "stargate.dev/job-uid"
LABEL_ATTEMPT = "stargate.dev/attempt"
LABEL_RANK = "stargate.dev/rank"
LABEL_SHARD = "stargate.dev/shard"
LABEL_LEADER = "stargate.dev/leader"
SHARDS = 16

WORKER_CONTAINER = "worker"
RENDEZVOUS_PORT = 29500
REPORT_AUDIENCE = "stargate.dev"
TOKEN_DIRECTORY = "/var/run/secrets/stargate.dev"
TOKEN_EXPIRATION_SECONDS = 43_200

PEER_LOST_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h. A worker exits with it if it ends only because another worker is gone."""

KILL_GRACE_SECONDS = 2
"""Grace period of the deletes of a restart. It is never 0 on a live node. A Python process that is PID 1
ignores SIGTERM anyway."""
GIVEN_UP_GRACE_SECONDS = 0
"""Grace period of a pod on a lost node. No kubelet can say that it has ended,
so its object goes at once."""
KEPT_FAILED_PODS = 10
"""The culprit's pod and at most nine other failed pods stay, so that `kubectl logs` still answers."""


class Conditions:
    """The types of the conditions in a job's status."""

    ACCEPTED = "Accepted"
    SCHEDULED = "Scheduled"
    READY = "Ready"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Reasons(feasibility.Reasons):
    """Reasons of conditions and events, one CamelCase word each. Those of a job
    that cannot run are inherited."""

    ACCEPTED = "Accepted"
    UNREADABLE = "Unreadable"

    CREATING = "CreatingGang"
    PODS_REFUSED = "PodsRefused"
    DELETES_REFUSED = "PodDeletionRefused"
    NAME_TAKEN = "NameTaken"
    UNREACHABLE = "ApiServerUnreachable"
    WAITING_FOR_NODES = "WaitingForNodes"
    NEVER_FITS = "NeverFits"
    WAITING_FOR_OLD_GANG = "WaitingForOldGang"
    BACKING_OFF = "BackingOff"
    GANG_SCHEDULED = "GangScheduled"
    START_TIMEOUT = "StartTimeout"
    YIELDED = "Yielded"
    QUEUED = "Queued"

    ALL_RUNNING = "AllRanksRunning"
    NOT_ALL_RUNNING = "NotAllRanksRunning"
    CANNOT_START = "ContainerCannotStart"
    RESTARTING = "Restarting"

    SUSPENDED = "Suspended"
    SUSPENDING = "Suspending"
    RESUMED = "Resumed"

    RUNNING = "Running"
    ALL_SUCCEEDED = "AllRanksSucceeded"
    MAX_RESTARTS_EXCEEDED = "MaxRestartsExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CHECKPOINT_COMPLETE = "CheckpointComplete"
    CHECKPOINT_DAMAGED = "CheckpointDamaged"
    GANG_FAILED = "GangFailed"
