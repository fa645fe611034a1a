"""Open-loop load: latency counts from when a request was due, so that a stalling server is not flattered."""

from mldeploy.loadtest.capacity import Capacity, find_capacity
from mldeploy.loadtest.compare import Change, compare, p99_replicates
from mldeploy.loadtest.endpoint import check_may_load, find_endpoint
from mldeploy.loadtest.html import html_report
from mldeploy.loadtest.report import Result, Target, summarize, write_csv
from mldeploy.loadtest.rows import read_rows, vary
from mldeploy.loadtest.run import join_load, run_load, send
from mldeploy.loadtest.samples import Access, Load, Samples, Tick, Workers
from mldeploy.loadtest.server import read_metrics
from mldeploy.loadtest.subject import Comparison, Subject, anywhere, on_host, record
from mldeploy.metrics import ServerView, between

__all__ = [
    "Access",
    "Capacity",
    "Change",
    "Comparison",
    "Load",
    "Result",
    "Samples",
    "ServerView",
    "Subject",
    "Target",
    "Tick",
    "Workers",
    "anywhere",
    "between",
    "check_may_load",
    "compare",
    "find_capacity",
    "find_endpoint",
    "html_report",
    "join_load",
    "on_host",
    "p99_replicates",
    "read_metrics",
    "read_rows",
    "record",
    "run_load",
    "send",
    "summarize",
    "vary",
    "write_csv",
]
