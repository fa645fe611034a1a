"""The sites of a host, composed into one configuration."""

from __future__ import annotations

from typing import Any

import pytest

from mldeploy.config import AppConfig, RequestConfig, TlsConfig
from mldeploy.errors import UsageError
from mldeploy.host.commands import caddy
from mldeploy.host.site import Site, require_free, site_for

SLOTS = ("10.0.0.16", "10.0.0.17")


def site(**settings: Any) -> Site:
    return site_for(AppConfig(**settings), "203.0.113.7", SLOTS)


def test_a_site_serves_the_first_slot_in_rotation_and_hides_the_check() -> None:
    text = caddy.caddyfile({"churn": site()})
    assert "reverse_proxy 10.0.0.16:8080 10.0.0.17:8080" in text
    assert "lb_policy first" in text
    assert "health_uri /rotation" in text
    assert "respond @internal-churn 404" in text


@pytest.mark.parametrize(
    ("settings", "address", "url"),
    [
        ({}, "https://203.0.113.7", "https://203.0.113.7"),
        ({"domain": "churn.example.com"}, "https://churn.example.com", "https://churn.example.com"),
        ({"path": "/churn"}, "https://203.0.113.7", "https://203.0.113.7/churn"),
        ({"tls": TlsConfig(mode="off")}, "http://", "http://*"),
        ({"tls": TlsConfig(mode="off"), "domain": "a.b"}, "http://a.b", "http://a.b"),
    ],
)
def test_where_an_app_answers_follows_its_settings(settings: dict[str, Any], address: str, url: str) -> None:
    assert (site(**settings).address, site(**settings).url) == (address, url)


def test_a_bare_address_is_certified_by_the_host_and_a_domain_by_the_public() -> None:
    bare, domain = caddy.caddyfile({"a": site()}), caddy.caddyfile({"a": site(domain="a.example.com")})
    assert "tls internal" in bare
    assert "default_sni 203.0.113.7" in bare
    assert "Strict-Transport-Security" not in bare
    assert "tls internal" not in domain
    assert 'Strict-Transport-Security "max-age=31536000"' in domain


def test_apps_at_one_address_share_its_block_the_longest_path_first() -> None:
    sites = {"a": site(), "b": site(path="/b"), "deep": site(path="/b/deep")}
    text = caddy.caddyfile(sites)
    assert text.count("https://203.0.113.7 {") == 1
    assert text.index("handle @deep") < text.index("handle @b ") < text.index("handle {")


def test_where_no_app_has_the_root_it_is_not_found() -> None:
    assert "respond 404" in caddy.caddyfile({"b": site(path="/b")})


def test_the_edge_takes_no_larger_body_than_the_server() -> None:
    assert "max_size 1000" in caddy.caddyfile({"a": site(requests=RequestConfig(max_body=1000))})


def test_two_apps_cannot_have_one_place() -> None:
    with pytest.raises(UsageError, match="serves churn there already") as failure:
        require_free("fraud", site(), {"churn": site()}, "prod")
    assert "`path` of its own" in failure.value.remedy
    require_free("fraud", site(path="/fraud"), {"churn": site()}, "prod")
    require_free("churn", site(), {"churn": site()}, "prod")


def test_two_apps_of_one_domain_are_signed_alike() -> None:
    theirs = site(domain="a.example.com", path="/a")
    ours = site(domain="a.example.com", path="/b", tls=TlsConfig(mode="internal"))
    with pytest.raises(UsageError, match="differ in who signs"):
        require_free("b", ours, {"a": theirs}, "prod")
