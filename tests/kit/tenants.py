"""Other workloads on the same nodes."""

from tests.kit.story import Story


def foreign(story: Story, name: str, node: str, rack: str, *, devices: int, memory: str) -> str:
    """Create a pod that belongs to no job, and return its path."""
    requests = {f"stargate.dev/{rack}": str(devices), "memory": memory, "cpu": "1500m"}
    container = {
        "name": "c",
        "image": "i",
        "resources": {"requests": requests, "limits": requests},
    }
    spec = {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0}
    story.api.create(f"{story.core}/pods", {"metadata": {"name": name}, "spec": spec})
    return f"{story.core}/pods/{name}"
