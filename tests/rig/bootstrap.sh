#!/bin/sh
# Prepare this machine for the unit tests (`bootstrap.sh python`), for the benchmarks as well (`bootstrap.sh bench`), or
# for the rig as well (`bootstrap.sh rig`).
# What is there already is left alone; what gets installed is said before it is.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "· $*" >&2; }

# refuse WHAT WHY DO
refuse() {
    printf '✗ %s\n  why  %s\n  do   %s\n' "$1" "$2" "$3" >&2
    exit 1
}

found() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null; }

missing_packages() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    if [ "$1" = bench ] && ! found wrk; then echo wrk; fi
    [ "$1" = rig ] || return 0
    # A client alone will do where an engine answers it.
    if ! found docker || ! { found dockerd || docker version >/dev/null 2>&1; }; then
        echo docker.io
        found iptables || echo iptables
        # Newer releases keep the client in a package of its own.
        if ! found docker && apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; fi
    fi
    found ssh || echo openssh-client
    found debootstrap || echo debootstrap
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
    [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/memory ] || echo cgroupfs-mount
}

install_packages() {
    packages=$(missing_packages "$1" | xargs)
    [ -n "$packages" ] || return 0
    found apt-get || refuse "this machine lacks what $packages contain" "there is no apt-get here" "Install them."
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo"
        [ -t 0 ] || sudo="sudo -n"
        found sudo && $sudo true || refuse "packages are missing: $packages" "installing them needs root" \
            "As root run \`apt-get update && apt-get install $packages\`, then come back."
    fi
    say "These packages are missing and will be installed with apt-get: $packages"
    $sudo apt-get update -qq
    # What the lists did not name before, they may now.
    packages=$(missing_packages "$1" | xargs)
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $packages >/dev/null
}

# The value of a setting of pip's, from its environment or its configuration files.
pip_setting() { .venv/bin/python -m pip config list | sed -n "s/^[^=]*\.$1='\(.*\)'$/\1/p" | head -n 1; }

# uv reads neither pip's configuration nor, unless told to, the machine's certificates.
lend_settings_to_uv() {
    [ -n "${SSL_CERT_FILE:-}" ] || export UV_SYSTEM_CERTS=1
    .venv/bin/python -m pip --version >/dev/null 2>&1 || return 0
    index=$(pip_setting index-url)
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi
}

make_venv() {
    stamp=$(cat requirements.lock pyproject.toml | sha256sum | cut -d ' ' -f 1)
    if [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then return 0; fi
    say "Installing the locked Python packages into .venv"
    .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; python3 -m venv .venv; }
    if ! [ -x .venv/bin/uv ]; then
        sed -n '/^uv==/,/^[^ ]/ { /^uv==/p; /^ *--hash/p; }' requirements.lock > .venv/uv.lock
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
    fi
    lend_settings_to_uv
    .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
    echo "$stamp" > .venv/stamp
}

found python3 || refuse "python3 is missing" "the tests are written in it" "Install Python 3.11 or later."
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    refuse "Python is too old" "$(python3 --version) is installed" "Install Python 3.11 or later."
install_packages "$1"
make_venv
