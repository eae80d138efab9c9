"""The check of `helm test`: workers reach the report server, and every replica is healthy.

Arguments: the report server's URL, the CA bundle that workers get, the metrics Service's URL, and for
how many seconds to ask again.
It stands alone: the chart hands it to the operator's image, which has Python.
"""

import http.client
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT = 5.0
REPORT = "/apis/stargate.dev/v1alpha1/namespaces/helm/stargatejobs/test/report"


def reports(url: str, ca: str) -> str:
    """Refused for want of a token, in Kubernetes' words: then it is the leader who has answered."""
    at = urlsplit(url)
    trust = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(at.netloc, timeout=TIMEOUT, context=trust)
    connection.request("POST", REPORT, "{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    if (answer.status, said.get("kind")) != (401, "Status"):
        raise OSError(f"{url} answered {answer.status}: {said}")
    return f"{url} answers over TLS"


def health(url: str) -> str:
    at = urlsplit(url)
    found = socket.getaddrinfo(at.hostname, at.port, type=socket.SOCK_STREAM)
    replicas = sorted({address[4][0] for address in found})
    for replica in replicas:
        connection = http.client.HTTPConnection(str(replica), at.port, timeout=TIMEOUT)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"{replica} is not healthy: {answer.read().decode()}")
    return f"healthy: {', '.join(map(str, replicas))}"


def patiently(ask: Callable[[], str], patience: float) -> str:
    """Asks again for `patience` seconds: a new release has no leader and no endpoints at once."""
    until = time.monotonic() + patience
    while True:
        try:
            return ask()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if time.monotonic() > until:
                sys.exit(f"{type(error).__name__}: {error}")
        time.sleep(1)


def main(reports_url: str, ca: str, metrics_url: str, patience: str = "60") -> None:
    seconds = float(patience)
    print(patiently(lambda: reports(reports_url, ca), seconds))
    print(patiently(lambda: health(metrics_url), seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
