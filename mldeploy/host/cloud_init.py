"""User data for a new machine of a provider: what it does at its first boot, before anybody is connected."""

from __future__ import annotations

import json

from mldeploy.host.commands.system import DOCKER_PACKAGES
from mldeploy.host.hardening import DEPLOY_USER, UPDATES, UPDATES_CONFIG
from mldeploy.host.setup import DAEMON_CONFIG, DAEMON_SETTINGS


def user_data(public_keys: list[str]) -> str:
    """A cloud-config: the user to deploy as with these keys, Docker, and security updates.

    It is JSON, which YAML includes. `host setup` finds all this done, and adds the rest.
    """
    config = {
        "users": [
            {
                "name": DEPLOY_USER,
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD: ALL",
                "lock_passwd": True,
                "ssh_authorized_keys": public_keys,
            }
        ],
        "ssh_pwauth": False,
        "write_files": [
            {"path": DAEMON_CONFIG, "content": json.dumps(DAEMON_SETTINGS, indent=2) + "\n"},
            {"path": UPDATES_CONFIG, "content": UPDATES},
        ],
        "package_update": True,
        "package_upgrade": True,
        "packages": [DOCKER_PACKAGES[0], "ca-certificates", "nftables", "sudo", "unattended-upgrades"],
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"
