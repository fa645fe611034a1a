"""Caddy as the host's one way in: its sites composed, applied without a broken connection, and itself replaced."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, UnreachableError
from mldeploy.host.commands import caddy, docker, files
from mldeploy.host.executor import CommandError
from mldeploy.host.layout import APPLIED, CADDY, CADDY_CONTAINER, CADDY_IMAGE, CADDY_PIN, CADDYFILE
from mldeploy.host.site import read_sites, require_free

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder
    from mldeploy.host.site import Site


def put_site(executor: Executor, folder: AppFolder, site: Site) -> str:
    """Let the app answer where `site` says, and keep where it did before. Raises UsageError when another app is there.

    Nothing happens to Caddy when it has this site already, even where an earlier command was cut off.
    """
    sites = read_sites(executor)
    require_free(folder.app, site, sites, executor.name)
    if sites.get(folder.app) != site:
        sites[folder.app] = site
        _write_authorities(executor, sites)
        _check(executor, sites)
        executor.run(files.keep(folder.site))
        executor.run(files.write(folder.site), stdin=site.model_dump_json(by_alias=True) + "\n")
    return f"Caddy serves it at {site.url}" if apply_sites(executor, sites) else "as it was"


def bring_back_site(executor: Executor, folder: AppFolder) -> None:
    """Let the app answer where it did before `put_site`: nowhere, if that was its first site."""
    executor.run(files.bring_back(folder.site))
    sites = read_sites(executor)
    _write_authorities(executor, sites)
    apply_sites(executor, sites)


def apply_sites(executor: Executor, sites: Mapping[str, Site]) -> bool:
    """Bring Caddy up to `sites`; whether there was anything to do."""
    digest = _digest(caddy.caddyfile(sites))
    before = executor.run(files.read(APPLIED)).stdout
    if before == digest:
        return False
    _write(executor, sites)
    nobody_is_served = before == _digest(caddy.caddyfile({}))
    executor.run(caddy.apply(digest, 0 if nobody_is_served else caddy.CLOSING_SECONDS), deadline=60)
    return True


def start_caddy(executor: Executor, *, upgrade: bool = False) -> str:
    """Start Caddy in place of one that may be there; returns its version.

    Its image is the one whose digest was recorded at first; `upgrade` records and takes today's.
    """
    executor.run(files.make_folders(CADDY))
    text = _write(executor, read_sites(executor))
    image = executor.run(files.read(CADDY_PIN)).stdout
    if not image or upgrade:
        executor.run(docker.pull(CADDY_IMAGE), deadline=300)
        image = executor.run(docker.digest_of(CADDY_IMAGE)).stdout
        executor.run(files.write(CADDY_PIN), stdin=image + "\n")
    elif executor.run(docker.has_image(image), check=False).exit_code != 0:
        executor.run(docker.pull(image), deadline=300)
    try:
        executor.run(caddy.replace(image), deadline=120)
    except CommandError as failure:
        raise MldeployError(
            f"Caddy does not start on {executor.name}",
            cause=failure.cause,
            remedy="Stop what else listens on port 80 or 443 there: `ss -ltnp` names it.",
        ) from failure
    executor.run(files.write(APPLIED), stdin=_digest(text))
    return executor.run(docker.run_inside(CADDY_CONTAINER, "caddy", "version")).stdout


def read_root(executor: Executor) -> str:
    """The root certificate of the host's own authority, as PEM. Raises UnreachableError where there is none yet."""
    result = executor.run(caddy.root_certificate(), check=False)
    if result.exit_code != 0:
        raise UnreachableError(
            f"{executor.name} has no certificate authority of its own yet",
            cause=result.stderr,
            remedy="Caddy makes one for the first app without a public domain: ship one, or wait a moment.",
        )
    return result.stdout + "\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(executor: Executor, sites: Mapping[str, Site]) -> str:
    _write_authorities(executor, sites)
    text = caddy.caddyfile(sites)
    executor.run(files.write(CADDYFILE), stdin=text)
    return text


def _write_authorities(executor: Executor, sites: Mapping[str, Site]) -> None:
    for app, site in sites.items():
        if site.root:
            executor.run(files.write(caddy.authority_file(app)), stdin=site.root)


def _check(executor: Executor, sites: Mapping[str, Site]) -> None:
    """A configuration that Caddy refuses must not reach its file, where a power cycle would find it."""
    result = executor.run(caddy.validate(), stdin=caddy.caddyfile(sites), check=False)
    if result.exit_code != 0:
        raise MldeployError(
            f"Caddy on {executor.name} refuses the site",
            cause=result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f"exit code {result.exit_code}",
            remedy="Look at [app] domain, path and tls in mldeploy.toml. The sites that were there are untouched.",
        )
