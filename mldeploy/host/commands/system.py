"""The operating system of a host: packages and services."""

from __future__ import annotations

DOCKER_PACKAGES = ("docker.io", "docker-cli", "iptables", "ca-certificates")


def install(*packages: str) -> list[str]:
    """Install from the distribution's signed packages; names the release does not have are left out."""
    script = (
        "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update --quiet; wanted=; "
        'for package in "$@"; do '
        'if apt-cache show "$package" >/dev/null 2>&1; then wanted="$wanted $package"; fi; done; '
        "apt-get install --quiet --yes --no-install-recommends -o DPkg::Lock::Timeout=300 $wanted"
    )
    return ["sh", "-c", script, "install", *packages]


def install_docker() -> list[str]:
    return install(*DOCKER_PACKAGES)


def enable(service: str) -> list[str]:
    return ["systemctl", "enable", "--now", service]


def restart(service: str) -> list[str]:
    return ["systemctl", "restart", service]


def load_kernel_settings(path: str) -> list[str]:
    """Take the settings of a file; those that this kernel does not know are passed over."""
    return ["sh", "-c", 'sysctl --quiet --load="$1" || true', "sysctl", path]


def make_swap(megabytes: int) -> list[str]:
    """A swap file, for good."""
    script = (
        'set -e; umask 077; fallocate --length "$1M" /swapfile; mkswap /swapfile; swapon /swapfile; '
        "grep -q '^/swapfile ' /etc/fstab || echo '/swapfile none swap sw 0 0' >> /etc/fstab"
    )
    return ["sh", "-c", script, "swap", str(megabytes)]


def make_user(name: str) -> list[str]:
    """A user without a password, let in by the keys of whoever is connected, who may become root by sudo.

    While it is being made its sudoers file is called .new, which sudo passes over: one that was cut off is known by
    that, and can be repeated.
    """
    script = """
set -e
name="$1" home="/home/$1" file="/etc/sudoers.d/$1"
(umask 227; printf '%s ALL=(ALL) NOPASSWD: ALL\\n' "$name" > "$file.new")
id -u "$name" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$name"
from="$(getent passwd "${SUDO_USER:-root}" | cut -d : -f 6)"
install --directory --owner="$name" --group="$name" --mode=0700 "$home/.ssh"
install --owner="$name" --group="$name" --mode=0600 "$from/.ssh/authorized_keys" "$home/.ssh/authorized_keys"
visudo --check --quiet --file="$file.new"
mv "$file.new" "$file"
"""
    return ["sh", "-c", script, "user", name]


def try_firewall(rules: str, table: str) -> list[str]:
    """Set the rules for a minute: who is locked out by them is so for no longer."""
    script = (
        'set -e; nft --check --file "$1"; systemctl stop mldeploy-firewall-trial.timer 2>/dev/null || true; '
        'systemd-run --quiet --unit=mldeploy-firewall-trial --on-active=60 nft delete table inet "$2"; '
        'nft --file "$1"'
    )
    return ["sh", "-c", script, "try", rules, table]


def keep_firewall(trial: str, rules: str, unit: str) -> list[str]:
    """Keep the rules that were tried, across restarts too. The distribution's own service would flush Docker's."""
    script = (
        'set -e; systemctl stop mldeploy-firewall-trial.timer; mv "$1" "$2"; '
        'systemctl daemon-reload; systemctl enable --quiet "$3"'
    )
    return ["sh", "-c", script, "keep", trial, rules, unit]
