"""The labels that an image carries: OCI's own where there is one."""

from __future__ import annotations

TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
REVISION = "org.opencontainers.image.revision"
BUNDLE_ID = "io.mldeploy.bundle-id"
RUNTIME = "io.mldeploy.runtime"
MLDEPLOY_VERSION = "io.mldeploy.version"
