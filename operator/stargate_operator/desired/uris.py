"""The meaning of a URI in a worker: the runtime's storage maps its scheme to a volume or a prefix."""

from stargate_types.runtime import Storage


def attempt_folder(base: str, attempt: int) -> str:
    """The folder that one attempt writes its checkpoints to.

    It holds the attempt, so that a worker that still runs on a cut-off node can overwrite nothing
    that counts.
    """
    return f"{base}/attempt-{attempt}"


def inside_worker(uri: str, storages: list[Storage]) -> str:
    """The path or URI where a worker finds `uri`. It is `uri` itself if no storage has its scheme."""
    scheme, _, rest = uri.partition("://")
    for storage in storages:
        if storage.scheme == scheme:
            return _under(storage, rest)
    return uri


def _under(storage: Storage, rest: str) -> str:
    root = storage.mount_path or storage.uri_prefix or ""
    return f"{root.rstrip('/')}/{rest.lstrip('/')}"
