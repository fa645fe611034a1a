"""The operating system of a host: packages and services."""

from __future__ import annotations

DOCKER_PACKAGES = ("docker.io", "docker-cli", "iptables", "ca-certificates")


def install_docker() -> list[str]:
    """Install Docker from the distribution's signed packages; names the release does not have are left out."""
    script = (
        "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update --quiet; wanted=; "
        'for package in "$@"; do '
        'if apt-cache show "$package" >/dev/null 2>&1; then wanted="$wanted $package"; fi; done; '
        "apt-get install --quiet --yes --no-install-recommends -o DPkg::Lock::Timeout=300 $wanted"
    )
    return ["sh", "-c", script, "install", *DOCKER_PACKAGES]


def enable(service: str) -> list[str]:
    return ["systemctl", "enable", "--now", service]


def restart(service: str) -> list[str]:
    return ["systemctl", "restart", service]


def load_kernel_settings(path: str) -> list[str]:
    """Take the settings of a file; those that this kernel does not know are passed over."""
    return ["sh", "-c", 'sysctl --quiet --load="$1" || true', "sysctl", path]
