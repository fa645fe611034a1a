"""`python -m tests.rig up|down|status|bare`."""

from __future__ import annotations

import argparse
import sys

from mldeploy import console
from mldeploy.errors import ExitCode, MldeployError
from tests.rig import bare, rig


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rig", description="A registry and a bare VM, of real parts.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring up what does not run yet")
    down = commands.add_parser("down", help="remove all of it")
    down.add_argument("--images", action="store_true", help="the built images, too")
    commands.add_parser("status", help="say what runs")
    on_bare = commands.add_parser(
        "bare", help="run a command in a copy of HEAD on a machine with make and python3 alone"
    )
    on_bare.add_argument("shell_command", metavar="COMMAND")
    on_bare.add_argument("--keep", action="store_true", help="leave that machine for another call")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            _up()
        elif arguments.command == "down":
            rig.down(with_images=arguments.images)
            console.step("The rig is gone")
        elif arguments.command == "bare":
            return bare.run(arguments.shell_command, keep=arguments.keep)
        else:
            print("\n".join(rig.status()) or "nothing runs")
    except MldeployError as failure:
        console.error(failure)
        return failure.exit_code
    except KeyboardInterrupt:
        console.note("interrupted; the next `up` mends what is left half way")
        return ExitCode.INTERRUPTED
    return 0


def _up() -> None:
    running = rig.up()
    console.step("The registry answers", running.registry)
    console.step("The VM answers", f"ssh -F {running.ssh_config} rig")
    console.step("mldeploy finds both", str(running.config))


if __name__ == "__main__":
    sys.exit(main())
