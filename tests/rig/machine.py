"""The options with which a container behaves like a machine of its own: with systemd, or a Docker Engine, in it."""

from __future__ import annotations

from pathlib import Path

# In the kernel's order (linux/capability.h), without the newest: older Dockers do not know them, and SYS_ADMIN implies
# them.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ"
)


def options() -> list[str]:
    """Options of `docker create`: what --privileged gives, short of the host's devices and of what it lacks itself."""
    return [
        *(f"--cap-add={name}" for name in capabilities(Path("/proc/self/status").read_text())),
        *("--security-opt", "seccomp=unconfined"),
        *("--security-opt", "apparmor=unconfined"),
        *("--security-opt", "systempaths=unconfined"),
        *("--cgroupns", "private"),
        *("--tmpfs", "/run", "--tmpfs", "/run/lock"),
        # Docker's overlay cannot lie on another overlay.
        *("--volume", "/var/lib/docker"),
    ]


def capabilities(status: str) -> list[str]:
    """Name the capabilities that a process may have at most, from the text of its /proc/PID/status.

    Some machines offer less than all, and Docker then refuses to give, or even to drop, what is not there.
    """
    bounding = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    return [name for bit, name in enumerate(CAPABILITIES.split()) if bounding >> bit & 1]
