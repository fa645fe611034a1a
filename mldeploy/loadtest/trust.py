"""Whom to trust when we ask an endpoint: the usual authorities, and the host's own."""

from __future__ import annotations

import ssl


def tls_context(authority: str | None) -> ssl.SSLContext:
    """TLS settings that trust the usual authorities and, where given, the one whose PEM this is."""
    trusting = ssl.create_default_context()
    if authority:
        trusting.load_verify_locations(cadata=authority)
    return trusting
