"""Work on many recordings at once, in processes that may fail one by one."""

from mien.parallel.cluster import Cluster
from mien.parallel.outcome import Outcome
from mien.parallel.pool import run_tasks
from mien.parallel.worker import Report

__all__ = ["Cluster", "Outcome", "Report", "run_tasks"]
