"""A cluster in memory, for the component tests."""

from tests.kit.cluster.cluster import Cluster
from tests.kit.cluster.jobs import JobStory
from tests.kit.cluster.replica import Replica

__all__ = ["Cluster", "JobStory", "Replica"]
