"""Judges if and where a job can run: for the client, which answers a researcher, and for the operator.

Its input is all that a researcher may read: compute blocks, classes, runtimes and the quotas of
their namespace. It does no I/O and reads no clock: the same input gives the same answer.

See docs/decisions/0027-one-rule-for-feasibility.md.
"""

from stargate_feasibility.answer import Answer, BlockAnswer, Feasibility
from stargate_feasibility.check import check
from stargate_feasibility.quota import Quota
from stargate_feasibility.reasons import Reason

__all__ = ["Answer", "BlockAnswer", "Feasibility", "Quota", "Reason", "check"]
