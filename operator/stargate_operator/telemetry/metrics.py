"""The operator's counters and gauges, and the functions that record them.

Other modules record through these functions alone. No label names a job, pod, node or namespace: the
number of series must not grow with the number of jobs. For alerts on single jobs a metric has the worst
value of all jobs, and the alert's text says how to find the job. Only the leader reports on jobs: a
standby's gauges stay at 0, so that sums over replicas are right.
"""

from collections.abc import Mapping
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# Without this each counter has one more series, which nobody uses.
disable_created_metrics()  # type: ignore[no-untyped-call]
registry = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=registry)

_PASS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_API_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_VERBS = frozenset({"GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION"})

_passes = Counter(
    "stargate_reconcile_passes", "Reconcile passes by outcome.", ["outcome"], registry=registry
)
_pass_seconds = Histogram(
    "stargate_reconcile_duration_seconds",
    "Duration of a reconcile pass.",
    buckets=_PASS_BUCKETS,
    registry=registry,
)
_pass_lag = Histogram(
    "stargate_reconcile_lag_seconds",
    "Time from when a pass was due until it began.",
    buckets=_PASS_BUCKETS,
    registry=registry,
)
_queue_depth = Gauge(
    "stargate_queue_depth",
    "Waiting now: passes that are due, pods to create or delete, requests for their turn, events.",
    ["queue"],
    registry=registry,
)
_status_writes = Counter(
    "stargate_status_writes",
    "Status writes: written, skipped because nothing changed, refused by a conflict.",
    ["outcome"],
    registry=registry,
)
_pods_created = Counter(
    "stargate_pods_created", "Pod creations that the API server accepted.", registry=registry
)
_pods_deleted = Counter(
    "stargate_pods_deleted", "Pod deletions that the API server accepted.", registry=registry
)
_events = Counter("stargate_events", "Kubernetes events by type.", ["type"], registry=registry)
_api_requests = Counter(
    "stargate_api_requests",
    "Requests to the API server by verb and code; code 0: no answer.",
    ["verb", "code"],
    registry=registry,
)
_api_seconds = Histogram(
    "stargate_api_request_duration_seconds",
    "Duration of a request to the API server by verb; for a watch, until the answer begins.",
    ["verb"],
    buckets=_API_BUCKETS,
    registry=registry,
)
_api_throttled = Counter(
    "stargate_api_throttled", "Answers 429 from the API server.", registry=registry
)
_api_concurrency = Gauge(
    "stargate_api_concurrency_limit",
    "Writes that may be in flight now; answers 429 lower it.",
    registry=registry,
)
_reports = Counter(
    "stargate_reports", "Reports of workers by the code of the answer.", ["code"], registry=registry
)
_report_connections = Gauge(
    "stargate_report_connections", "Open connections of the report server.", registry=registry
)
_report_turned_away = Counter(
    "stargate_report_connections_turned_away",
    "Connections closed because their address has too many open connections.",
    registry=registry,
)
_token_reviews = Counter(
    "stargate_token_reviews",
    "TokenReviews by outcome: authenticated, refused, unavailable.",
    ["outcome"],
    registry=registry,
)
_leader = Gauge("stargate_leader", "1 while this process leads.", registry=registry)
_start_time = Gauge(
    "stargate_start_time_seconds", "When this process started, in Unix time.", registry=registry
)
_watch_age = Gauge(
    "stargate_watch_age_seconds",
    "Time since the last event of a watch. Bookmarks count, and they come every minute.",
    ["watch"],
    registry=registry,
)
_informer_pods = Gauge("stargate_informer_pods", "Pods in the informer.", registry=registry)
_unready_nodes = Gauge(
    "stargate_nodes_not_ready",
    "Nodes that are not ready, and nodes that vanished within the last hour.",
    registry=registry,
)
_namespaces_refused = Gauge(
    "stargate_namespaces_refused",
    "Namespaces of watch-namespaces that do not let the operator watch jobs.",
    registry=registry,
)
_defaults = Gauge(
    "stargate_defaults",
    "Defaults of the install: standing as installed, left_alone because somebody edited or made the"
    " object, failed.",
    ["state"],
    registry=registry,
)
_blocks_written = Counter(
    "stargate_compute_block_writes",
    "Status writes of compute blocks: written, or refused because of a conflict or an error.",
    ["outcome"],
    registry=registry,
)
_block_seconds = Histogram(
    "stargate_compute_block_count_seconds",
    "Duration of one count of one compute block.",
    buckets=_PASS_BUCKETS,
    registry=registry,
)
_foreign_pods = Gauge(
    "stargate_foreign_pods", "Pods of others that hold a node.", registry=registry
)
_pods_given_up = Counter(
    "stargate_pods_given_up",
    "Pods whose objects were removed because their node is lost.",
    registry=registry,
)
_watch_restarts = Counter(
    "stargate_watch_restarts",
    "Watches that ended and began again.",
    ["watch"],
    registry=registry,
)

Outcome = Literal["done", "conflict", "error"]
Review = Literal["authenticated", "refused", "unavailable"]
Queue = Literal["passes", "pods", "requests", "events"]

_report_codes: dict[int, Counter] = {}
_request_codes: dict[tuple[str, int], Counter] = {}
_request_seconds: dict[str, Histogram] = {}

_start_time.set_to_current_time()
for _state in ("standing", "left_alone", "failed"):
    _defaults.labels(_state)


def pass_began(late: float) -> None:
    _pass_lag.observe(late)


def pass_done(seconds: float, outcome: Outcome = "done") -> None:
    _passes.labels(outcome).inc()
    _pass_seconds.observe(seconds)


def status_written() -> None:
    _status_writes.labels("written").inc()


def status_skipped() -> None:
    _status_writes.labels("skipped").inc()


def status_conflicted() -> None:
    _status_writes.labels("conflict").inc()


def pods_created(count: int = 1) -> None:
    _pods_created.inc(count)


def pods_deleted(count: int = 1) -> None:
    _pods_deleted.inc(count)


def event_recorded(type_: Literal["Normal", "Warning"]) -> None:
    _events.labels(type_).inc()


def api_answered(verb: str, code: int, seconds: float) -> None:
    """Counts one request. The labelled counters are kept, because a look-up
    costs more than the count."""
    counter = _request_codes.get((verb, code))
    if counter is None:
        counter = _request_codes[verb, code] = _api_requests.labels(_known(verb), str(code))
    counter.inc()
    duration = _request_seconds.get(verb)
    if duration is None:
        duration = _request_seconds[verb] = _api_seconds.labels(_known(verb))
    duration.observe(seconds)
    if code == 429:
        _api_throttled.inc()


def _known(verb: str) -> str:
    return verb if verb in _VERBS else "other"


def api_concurrency(limit: float) -> None:
    _api_concurrency.set(limit)


def report_answered(code: int) -> None:
    counter = _report_codes.get(code)
    if counter is None:
        counter = _report_codes[code] = _reports.labels(str(code))
    counter.inc()


def report_connections(count: int) -> None:
    _report_connections.set(count)


def report_turned_away() -> None:
    _report_turned_away.inc()


def token_reviewed(outcome: Review) -> None:
    _token_reviews.labels(outcome).inc()


def leading(leads: bool) -> None:
    _leader.set(leads)


def informer_pods(count: int) -> None:
    _informer_pods.set(count)


def unready_nodes(count: int) -> None:
    _unready_nodes.set(count)


def namespaces_refused(count: int) -> None:
    _namespaces_refused.set(count)


def defaults_by_state(counts: Mapping[str, int]) -> None:
    for state, count in counts.items():
        _defaults.labels(state).set(count)


def pod_given_up() -> None:
    _pods_given_up.inc()


def block_written(outcome: Literal["written", "refused"]) -> None:
    _blocks_written.labels(outcome).inc()


def block_counted(seconds: float) -> None:
    _block_seconds.observe(seconds)


def foreign_pods(count: int) -> None:
    _foreign_pods.set(count)


def queue_depth(queue: Queue, depth: int) -> None:
    _queue_depth.labels(queue).set(depth)


def watch_age(watch: str, seconds: float) -> None:
    _watch_age.labels(watch).set(seconds)


def watch_begins(watch: str) -> None:
    """Creates the series, at 0 until the watch begins again."""
    _watch_restarts.labels(watch)


def watch_restarted(watch: str) -> None:
    _watch_restarts.labels(watch).inc()


def exposition() -> bytes:
    return generate_latest(registry)


def value(name: str, labels: Mapping[str, str] | None = None) -> float:
    """The value of a sample, or 0 if it was never recorded. For tests and summaries."""
    return registry.get_sample_value(name, dict(labels or {})) or 0.0
