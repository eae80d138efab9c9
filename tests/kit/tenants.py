"""Others on the same machines."""

from tests.kit.story import Story


def foreign(story: Story, name: str, node: str, rack: str, *, devices: int, memory: str) -> str:
    """A pod that is none of ours; its path."""
    requests = {f"stargate.dev/{rack}": str(devices), "memory": memory, "cpu": "1500m"}
    container = {
        "name": "c",
        "image": "i",
        "resources": {"requests": requests, "limits": requests},
    }
    spec = {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0}
    story.api.create(f"{story.core}/pods", {"metadata": {"name": name}, "spec": spec})
    return f"{story.core}/pods/{name}"
