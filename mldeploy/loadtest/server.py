"""The server's own account of a run: its /metrics, as far as it lets us see them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx

from mldeploy.loadtest.trust import tls_context
from mldeploy.metrics import Reading, parse

if TYPE_CHECKING:
    from mldeploy.loadtest.samples import Access

READING_TIMEOUT_S = 5.0


def metrics_url(url: str) -> str:
    """Where an app keeps its metrics whose `/predict` is `url`: beside it; for other endpoints, at the root.

    >>> metrics_url("https://example.com/churn/predict")
    'https://example.com/churn/metrics'
    """
    parts = urlsplit(url)
    folder, _, last = parts.path.rpartition("/")
    return urlunsplit(parts._replace(path=f"{folder if last == 'predict' else ''}/metrics", query=""))


def read_metrics(url: str, access: Access) -> Reading | None:
    """What the server at `url` has counted; None where it has no such /metrics or does not let us see it."""
    try:
        answer = httpx.get(
            metrics_url(url),
            headers=access.headers(),
            verify=tls_context(access.authority),
            timeout=READING_TIMEOUT_S,
        )
    except httpx.HTTPError:
        return None
    if answer.status_code != 200:
        return None
    try:
        return parse(answer.text)
    except ValueError:
        return None
