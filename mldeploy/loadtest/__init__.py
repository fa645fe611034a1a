"""Open-loop load: latency counts from when a request was due, so that a stalling server is not flattered."""

from mldeploy.loadtest.capacity import Capacity, find_capacity
from mldeploy.loadtest.endpoint import check_may_load, find_endpoint
from mldeploy.loadtest.html import html_report
from mldeploy.loadtest.report import Result, Target, summarize, write_csv
from mldeploy.loadtest.rows import read_rows
from mldeploy.loadtest.run import run_load
from mldeploy.loadtest.samples import Load, Samples, Tick

__all__ = [
    "Capacity",
    "Load",
    "Result",
    "Samples",
    "Target",
    "Tick",
    "check_may_load",
    "find_capacity",
    "find_endpoint",
    "html_report",
    "read_rows",
    "run_load",
    "summarize",
    "write_csv",
]
