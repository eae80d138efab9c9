"""The API server's own count of the requests that it refused."""

from bench.measure import sample_sum

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="pods",verb="GET"} 7
apiserver_request_total{code="429",resource="pods",verb="POST"} 2
apiserver_request_total{code="429",resource="pods",verb="DELETE"} 3
apiserver_request_total_of_others{code="429"} 100
"""


def test_only_the_asked_samples_are_summed() -> None:
    assert sample_sum(METRICS, "apiserver_request_total", code="429") == 5
    assert sample_sum(METRICS, "absent_total") == 0
