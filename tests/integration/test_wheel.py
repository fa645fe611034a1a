"""What pip, pipx and uv install is whole: the command, and the runtime that goes into images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel installs; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = find_uv_bin()
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(CHECKOUT)], check=True)
    wheel = next((folder / "dist").glob("*.whl"))
    into = folder / "site-packages"
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        str(into),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    return into


def run(installed: Path, *arguments: str) -> str:
    """Run this Python with the installed wheel ahead of the checkout, and nothing of the checkout on its path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_command_runs(installed: Path) -> None:
    assert run(installed, "bin/mldeploy", "--version").startswith("mldeploy ")


def test_the_runtime_and_its_lock_come_along(installed: Path) -> None:
    told = "from mldeploy.image import runtime_source; source = runtime_source(); print(source.folder, source.lock)"
    folder, lock = (Path(path) for path in run(installed, "-c", told).split())
    assert folder.is_relative_to(installed)
    assert lock.is_relative_to(installed)
    assert "--hash=sha256:" in lock.read_text()
    checkout = {path.name for path in (CHECKOUT / "runtime" / "mldeploy_runtime").glob("*.py")}
    assert {path.name for path in (folder / "mldeploy_runtime").glob("*.py")} == checkout


def test_the_installed_runtime_starts_as_serve_starts_it(installed: Path) -> None:
    told = "import sys; from mldeploy.image import runtime_source; sys.path.insert(0, str(runtime_source().folder)); "
    assert run(installed, "-c", told + "import mldeploy_runtime; print(mldeploy_runtime.__name__)")
