"""A Dockerfile and its context, for people who want to build the image themselves."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.image.base import find_base, python_version, read_base
from mldeploy.image.build import (
    DEFAULT_PLATFORM,
    ENTRYPOINT,
    ENVIRONMENT,
    PORT,
    STOP_SIGNAL,
    bundle_tree,
    labels_of,
)
from mldeploy.image.engine import connect, explained
from mldeploy.image.native import base_for, source_for
from mldeploy.image.prune import keep_of_packages
from mldeploy.image.runtime import PREFIX, USER, server_tree
from mldeploy.image.source import runtime_source
from mldeploy.image.tree import Tree, file_node, tree_of_folder, write_folder
from mldeploy.image.wheels import install_wheels

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.config import ImageConfig

FOLDER = "docker"

DOCKERFILE = """\
# {name} {version} for {platform}. Build it in this folder:
#   docker build --platform {platform} --tag {name}:{tag} .
FROM {base}

# The packages that requirements.lock pins, for {platform} and Python {python}, without what a server has no use for.
COPY packages/ /{prefix}/
# The server.
COPY server/ /{prefix}/
# The model, its contract, and the rows that it has to answer before it counts as ready.
COPY bundle/ /bundle/
# Where the server's control socket is. Start it with `--tmpfs /run/mldeploy` where the root is to be read-only.
COPY --chown={user}:{user} control/ /run/mldeploy/

{environment}
{labels}
USER {user}:{user}
EXPOSE {port}
STOPSIGNAL {stop_signal}
ENTRYPOINT {entrypoint}
"""


def eject(bundle: Bundle, settings: ImageConfig, platform: str | None = None) -> Path:
    """Write the Dockerfile and context of the bundle's image for `platform` into its folder; gives where they are.

    The image is larger than one that mldeploy composes: it keeps all of its base. It starts and answers alike.
    Raises UnreachableError when Docker, the base image or the package index cannot be reached.
    """
    platform = platform or settings.platform or DEFAULT_PLATFORM
    base = base_for(bundle, settings.base)
    engine = connect()
    with explained("read the base image"):
        python = python_version(read_base(engine, find_base(engine, base, platform)))
    folder = bundle.path / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    with (
        source_for(bundle, runtime_source()) as source,
        tempfile.TemporaryDirectory(prefix="mldeploy-") as scratch,
    ):
        install_wheels(source.lock, platform, python, Path(scratch))
        packages = keep_of_packages(tree_of_folder(Path(scratch), PREFIX), PREFIX)
        write_folder(_below("packages", packages), folder)
        write_folder(_below("server", server_tree(source)), folder)
        shutil.copy(source.lock, folder / "requirements.lock")
    write_folder(bundle_tree(bundle), folder)
    # With a file in it, because version control keeps no empty folder.
    write_folder({"control/.keep": file_node(b"")}, folder)
    (folder / "Dockerfile").write_text(dockerfile(bundle, base, platform, python), encoding="utf-8")
    return folder


def dockerfile(bundle: Bundle, base: str, platform: str, python: str) -> str:
    manifest = bundle.manifest
    return DOCKERFILE.format(
        name=manifest.name,
        version=manifest.version,
        tag=manifest.tag,
        platform=platform,
        base=base,
        python=python,
        prefix=PREFIX,
        user=USER,
        environment=_instruction("ENV", ENVIRONMENT),
        labels=_instruction("LABEL", labels_of(bundle)),
        port=PORT,
        stop_signal=STOP_SIGNAL,
        entrypoint=json.dumps(ENTRYPOINT),
    )


def _instruction(name: str, values: dict[str, str]) -> str:
    return f"{name} " + " \\\n    ".join(f"{key}={json.dumps(value)}" for key, value in values.items())


def _below(folder: str, tree: Tree) -> Tree:
    """What lies at the packages' place in the image, at `folder` of the context."""
    return {f"{folder}/{name.removeprefix(f'{PREFIX}/')}": node for name, node in tree.items()}
