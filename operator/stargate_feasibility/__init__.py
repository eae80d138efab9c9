"""Whether and where a job can run: the one code that answers a researcher and decides for the operator.

It knows what a researcher may read (compute blocks, classes, runtimes, the quotas of their own
namespace) and nothing else. No I/O, no clock: the same input, the same answer.

See docs/decisions/0027-one-rule-for-feasibility.md.
"""

from stargate_feasibility.answer import Answer, BlockAnswer, Feasibility
from stargate_feasibility.check import check
from stargate_feasibility.quota import Quota
from stargate_feasibility.reasons import Reason

__all__ = ["Answer", "BlockAnswer", "Feasibility", "Quota", "Reason", "check"]
