"""Why a job cannot run, or not now: a word for programs, a message for people, and the numbers."""

from dataclasses import dataclass


class Reasons:
    """The CamelCase words for programs. The operator's conditions use the same ones."""

    ACCELERATOR_CLASS_NOT_FOUND = "AcceleratorClassNotFound"
    ACCELERATOR_CLASS_AMBIGUOUS = "AcceleratorClassAmbiguous"
    RUNTIME_NOT_FOUND = "RuntimeNotFound"
    RUNTIME_AMBIGUOUS = "RuntimeAmbiguous"
    NO_CHECKPOINT_PLACE = "NoCheckpointPlace"
    NO_IMAGE = "NoImage"
    GPU_EQUIVALENTS_DO_NOT_DIVIDE = "GpuEquivalentsDoNotDivide"
    SERVICE_ACCOUNT_NOT_ALLOWED = "ServiceAccountNotAllowed"
    PRIORITY_CLASS_NOT_ALLOWED = "PriorityClassNotAllowed"

    BLOCK_NOT_FOUND = "ComputeBlockNotFound"
    ANOTHER_BLOCK = "AnotherBlockAsked"
    NOT_COUNTED = "NotCounted"
    LATENCY_NOT_STATED = "LatencyNotStated"
    LATENCY_TOO_HIGH = "LatencyTooHigh"
    NO_SUCH_HARDWARE = "NoSuchHardware"
    NODE_TOO_SMALL = "NodeTooSmall"
    TOO_FEW_NODES = "TooFewNodes"
    NOT_ENOUGH_FREE = "NotEnoughFree"
    NO_ROOM_IN_DOMAIN = "NoRoomInOneDomain"
    NO_BLOCK_FITS = "NoBlockFits"
    QUOTA_TOO_SMALL = "QuotaTooSmall"
    QUOTA_USED_UP = "QuotaUsedUp"
    QUOTA_NEEDS_REQUEST = "QuotaNeedsRequest"


@dataclass(frozen=True)
class Reason:
    """One reason. `field` is the job's field that it concerns, empty where there is none.

    `asked` and `found` are the numbers in the message, None where it has none.
    """

    reason: str
    message: str
    field: str = ""
    asked: float | None = None
    found: float | None = None
