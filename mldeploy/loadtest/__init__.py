"""Open-loop load: latency counts from when a request was due, so that a stalling server is not flattered."""

from mldeploy.loadtest.endpoint import check_may_load, find_endpoint
from mldeploy.loadtest.html import html_report
from mldeploy.loadtest.report import Result, Target, summarize, write_csv
from mldeploy.loadtest.run import run_load
from mldeploy.loadtest.samples import Load, Samples, Tick

__all__ = [
    "Load",
    "Result",
    "Samples",
    "Target",
    "Tick",
    "check_may_load",
    "find_endpoint",
    "html_report",
    "run_load",
    "summarize",
    "write_csv",
]
