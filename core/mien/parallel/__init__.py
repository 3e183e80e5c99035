"""Work on many recordings at once, in processes that may fail one by one."""

from mien.parallel.pool import Outcome, run_tasks
from mien.parallel.worker import Report

__all__ = ["Outcome", "Report", "run_tasks"]
