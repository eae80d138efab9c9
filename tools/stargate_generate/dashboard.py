"""The Grafana dashboard, as a list of what it shows; the chart ships what this module writes.

`python -m stargate_generate.dashboard` writes it; `make manifests` calls it. Every query runs against a
real Prometheus in tests/operator.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stargate_lab.cluster.chart import CHART

Json = dict[str, Any]
Kind = Literal["stat", "lines", "stack", "bars"]

FILE = CHART / "files" / "dashboards" / "stargate.json"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GRID_WIDTH = 24
_RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Query:
    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    says: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "lines"
    width: int = 8
    highest: float | None = None
    """Unit of the axis, where it is known."""


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _stat(title: str, says: str, expression: str, unit: str = "short") -> Panel:
    highest = 1.0 if unit == "percentunit" else None
    return Panel(title, says, (Query(expression),), unit, "stat", 4, highest)


def _quantiles(title: str, says: str, histogram: str, window: str = _RATE) -> Panel:
    """Quantiles over a wide window, because the events are rare."""
    buckets = f"sum by (le) (rate({histogram}_bucket{window}))"
    queries = tuple(
        Query(f"histogram_quantile({q}, {buckets})", f"p{round(q * 100)}") for q in (0.5, 0.9, 0.99)
    )
    return Panel(title, says, queries, "s")


_RUN = 'phase=~"Starting|Running|Restarting"'
_GOODPUT = (
    '(sum(rate(stargate_rank_seconds_total{phase="Running"}[1h]))'
    " - sum(rate(stargate_lost_rank_seconds_total[1h]))"
    " + sum(rate(stargate_regained_rank_seconds_total[1h])))"
    f" / sum(rate(stargate_rank_seconds_total{{{_RUN}}}[1h]))"
)

_JOBS = Row(
    "Jobs",
    (
        _stat("Running", "Jobs whose every rank runs.", 'sum(stargate_jobs{phase="Running"})'),
        _stat(
            "Ranks running",
            "One rank is one node of a job's allocation.",
            'sum(stargate_ranks{phase="Running"})',
        ),
        _stat(
            "Starting or restarting",
            "Jobs whose gang does not run yet.",
            'sum(stargate_jobs{phase=~"Starting|Restarting"})',
        ),
        _stat(
            "Queued",
            "Jobs that wait for nodes.",
            'sum(stargate_jobs{phase="Queued"})',
        ),
        _stat(
            "Goodput, last hour",
            "Training that counts, of all the time that ranks spent starting, training and restarting.",
            _GOODPUT,
            "percentunit",
        ),
        _stat(
            "Operators that lead",
            "One, always.",
            "sum(stargate_leader)",
        ),
        Panel(
            "Jobs by phase",
            "Finished jobs count until they are deleted.",
            (Query("sum by (phase) (stargate_jobs)", "{{phase}}"),),
            kind="stack",
        ),
        Panel(
            "Ranks by phase",
            "Ranks of jobs in each phase; one rank uses one node.",
            (Query("sum by (phase) (stargate_ranks)", "{{phase}}"),),
            kind="stack",
        ),
        Panel(
            "Longest wait",
            "The longest that a job of the phase has been without a running gang.",
            (Query("max by (phase) (stargate_oldest_wait_seconds)", "{{phase}}"),),
            "s",
        ),
    ),
)

_GANGS = Row(
    "Gangs",
    (
        _quantiles(
            "Start of a gang",
            "From an attempt's start to every rank running, over an hour.",
            "stargate_gang_start_seconds",
            "[1h]",
        ),
        _quantiles(
            "Restart of a gang",
            "From a failure to every rank of the next attempt running, over an hour.",
            "stargate_gang_restart_seconds",
            "[1h]",
        ),
        Panel(
            "Attempts that ended, by cause",
            "Within the hour before.",
            (Query("sum by (cause) (increase(stargate_attempts_ended_total[1h]))", "{{cause}}"),),
            kind="bars",
        ),
        Panel(
            "Pods created and deleted",
            "As the API server accepted them.",
            (
                Query(f"sum(rate(stargate_pods_created_total{_RATE}))", "created"),
                Query(f"sum(rate(stargate_pods_deleted_total{_RATE}))", "deleted"),
                Query(
                    f"sum(rate(stargate_pods_given_up_total{_RATE}))", "given up with their node"
                ),
            ),
            "ops",
        ),
        Panel(
            "Most failures since a checkpoint",
            "The most of any unfinished job. At restartPolicy.maxRestarts a job fails.",
            (Query("max(stargate_most_failures_since_checkpoint)", "failures"),),
        ),
        Panel(
            "Nodes not ready",
            "Nodes that are not ready, and nodes that disappeared within the hour.",
            (Query("max(stargate_nodes_not_ready)", "nodes"),),
        ),
    ),
)

_TRAINING = Row(
    "Training",
    (
        Panel(
            "Use of the machines' time",
            "Ranks by the phase of their job, averaged.",
            (
                Query(
                    f"sum by (phase) (rate(stargate_rank_seconds_total{{{_RUN}}}{_RATE}))",
                    "{{phase}}",
                ),
            ),
            kind="stack",
        ),
        Panel(
            "Goodput",
            "Training that counts, of all the time that ranks spent starting, training and restarting;"
            " over an hour.",
            (Query(_GOODPUT, "goodput"),),
            "percentunit",
            highest=1.0,
        ),
        Panel(
            "Training lost",
            "Rank-seconds that are trained again, less those that a last save kept; within the hour.",
            (
                Query(
                    "sum(increase(stargate_lost_rank_seconds_total[1h]))"
                    " - sum(increase(stargate_regained_rank_seconds_total[1h]))",
                    "lost",
                ),
            ),
            "s",
        ),
        Panel(
            "Oldest checkpoint",
            "The longest that a running job has trained since its last complete checkpoint: what a"
            " failure now would cost it.",
            (Query("max(stargate_oldest_checkpoint_seconds)", "since saved"),),
            "s",
        ),
        Panel(
            "Oldest checkpoint, in intervals",
            "The same by the job's own checkpointIntervalEpochs and pace; above 1 it is late.",
            (Query("max(stargate_oldest_checkpoint_intervals)", "intervals"),),
        ),
        Panel(
            "Longest silence of a gang",
            "The longest time since the last report of a running job that reports.",
            (Query("max(stargate_longest_silence_seconds)", "since a report"),),
            "s",
        ),
        _quantiles(
            "Report lag",
            "From a report of rank 0 to the status that holds it.",
            "stargate_report_lag_seconds",
        ),
        Panel(
            "Reports by answer",
            "200: accepted; 409: the attempt is over; 503: not leading, or not known yet.",
            (Query(f"sum by (code) (rate(stargate_reports_total{_RATE}))", "{{code}}"),),
            "reqps",
            "stack",
        ),
        Panel(
            "Connections of workers",
            "Open connections, and those refused because their address has too many.",
            (
                Query("sum(stargate_report_connections)", "open"),
                Query(
                    f"sum(rate(stargate_report_connections_turned_away_total{_RATE}))",
                    "turned away a second",
                ),
            ),
        ),
    ),
)

_API = Row(
    "API server",
    (
        Panel(
            "Requests by verb",
            "Requests of the operator's own client, without kopf's four watches.",
            (Query(f"sum by (verb) (rate(stargate_api_requests_total{_RATE}))", "{{verb}}"),),
            "reqps",
            "stack",
        ),
        Panel(
            "Requests by code",
            "0: no answer.",
            (Query(f"sum by (code) (rate(stargate_api_requests_total{_RATE}))", "{{code}}"),),
            "reqps",
            "stack",
        ),
        Panel(
            "Duration of requests, p99",
            "For a watch, the time until the answer begins.",
            (
                Query(
                    "histogram_quantile(0.99, sum by (le, verb)"
                    f" (rate(stargate_api_request_duration_seconds_bucket{_RATE})))",
                    "{{verb}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Throttled",
            "Answers 429, and the limit on writes in flight that follows from them.",
            (
                Query(f"sum(rate(stargate_api_throttled_total{_RATE}))", "429 a second"),
                Query("min(stargate_api_concurrency_limit)", "writes in flight, at most"),
            ),
        ),
        Panel(
            "Writes of statuses",
            "Skipped: nothing has changed, or the write can wait. Conflict: somebody else wrote.",
            (
                Query(
                    f"sum by (outcome) (rate(stargate_status_writes_total{_RATE}))", "{{outcome}}"
                ),
                Query(
                    f"sum by (outcome) (rate(stargate_compute_block_writes_total{_RATE}))",
                    "block {{outcome}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Token reviews and events",
            "Reviews of workers' tokens, and events that the operator records.",
            (
                Query(
                    f"sum by (outcome) (rate(stargate_token_reviews_total{_RATE}))", "{{outcome}}"
                ),
                Query(f"sum by (type) (rate(stargate_events_total{_RATE}))", "{{type}} events"),
            ),
            "ops",
        ),
    ),
)

_OPERATOR = Row(
    "Operator",
    (
        Panel(
            "Watch age",
            "Time since the last event. Bookmarks come every minute; at about 150 s the operator"
            " ends itself.",
            (
                Query(
                    "max by (instance, watch) (stargate_watch_age_seconds)",
                    "{{watch}} {{instance}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Watches started again",
            "The API server ends watches every few minutes, and also those that fall behind in a burst.",
            (Query("sum by (watch) (increase(stargate_watch_restarts_total[1h]))", "{{watch}}"),),
            kind="bars",
        ),
        Panel(
            "Queues",
            "Waiting passes that are due, pods to create or delete, requests for a turn, events.",
            (Query("sum by (queue) (stargate_queue_depth)", "{{queue}}"),),
        ),
        Panel(
            "Reconcile passes",
            "An error is tried again with back-off; its log line has the reason.",
            (
                Query(
                    f"sum by (outcome) (rate(stargate_reconcile_passes_total{_RATE}))",
                    "{{outcome}}",
                ),
            ),
            "ops",
            "stack",
        ),
        _quantiles(
            "Duration of a pass", "Requests included.", "stargate_reconcile_duration_seconds"
        ),
        _quantiles(
            "Lag of passes",
            "From the time when a pass was due until it began.",
            "stargate_reconcile_lag_seconds",
        ),
        Panel(
            "CPU",
            "CPU of each replica, in cores.",
            (
                Query(
                    f"rate(process_cpu_seconds_total{_RATE}) and on (job, instance) stargate_leader",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident memory of each replica.",
            (
                Query(
                    "process_resident_memory_bytes and on (job, instance) stargate_leader",
                    "{{instance}}",
                ),
            ),
            "bytes",
        ),
        Panel(
            "Leader and starts",
            "The leader, and the restarts of each replica within the hour.",
            (
                Query("max by (instance) (stargate_leader)", "leads: {{instance}}"),
                Query("changes(stargate_start_time_seconds[1h])", "starts: {{instance}}"),
            ),
        ),
        Panel(
            "Pods in the caches",
            "Pods of jobs, and pods of others that hold a node.",
            (
                Query("max(stargate_informer_pods)", "pods of jobs"),
                Query("max(stargate_foreign_pods)", "pods of others"),
            ),
        ),
        Panel(
            "Defaults of the install",
            "Defaults that are in place, were left alone because somebody edited them, or failed;"
            " namespaces that refuse to be watched.",
            (
                Query("sum by (state) (stargate_defaults)", "defaults {{state}}"),
                Query("max(stargate_namespaces_refused)", "namespaces refused"),
            ),
        ),
        _quantiles(
            "Count of a compute block",
            "Time of one count of free capacity; each change causes a new count.",
            "stargate_compute_block_count_seconds",
        ),
    ),
)

ROWS = (_JOBS, _GANGS, _TRAINING, _API, _OPERATOR)


def expressions() -> Iterator[tuple[str, str]]:
    """The title of each panel, with its query."""
    for row in ROWS:
        for panel in row.panels:
            yield from ((panel.title, query.expression) for query in panel.queries)


def dashboard() -> Json:
    return {
        "uid": "stargate-operator",
        "title": "Stargate",
        "description": "Training jobs, their gangs, and the operator that runs them.",
        "tags": ["stargate", "kubernetes"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": list(_placed()),
    }


def _placed() -> Iterator[Json]:
    """Panels placed from left to right; a full line is followed by a new one below it."""
    number, y = 0, 0
    for row in ROWS:
        number += 1
        place = {"x": 0, "y": y, "w": _GRID_WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _GRID_WIDTH:
                x, y = 0, y + height
            number, height = number + 1, 4 if panel.kind == "stat" else 8
            place = {"x": x, "y": y, "w": panel.width, "h": height}
            yield {"id": number, "gridPos": place, **_shown(panel)}
            x += panel.width
        y += height


def _shown(panel: Panel) -> Json:
    return {
        "type": "stat" if panel.kind == "stat" else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "targets": [_target(index, query) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(index: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
    }


def _defaults(panel: Panel) -> Json:
    drawn = {
        "lines": {"lineWidth": 1, "fillOpacity": 5},
        "stack": {"lineWidth": 1, "fillOpacity": 30, "stacking": {"mode": "normal"}},
        "bars": {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal"}},
        "stat": {},
    }
    found: Json = {"unit": panel.unit, "min": 0, "custom": drawn[panel.kind]}
    return found if panel.highest is None else {**found, "max": panel.highest}


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


def main(to: Path = FILE) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text())


if __name__ == "__main__":
    main()
