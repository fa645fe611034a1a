"""The server opens no connection of its own: watched in a network where everything that leaves can be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.bundles import numeric_bundle

ROOT = Path(__file__).parents[2]

# Runs in a network of its own, whose only way out is a pair of devices that leads nowhere. What passes there, or on the
# loopback device but to or from the server's port, is noted with its address and ports.
WATCHED = """
import json, socket, struct, subprocess, sys, threading
from pathlib import Path
from tests.unit.runtime.server import started

for command in ("link set lo up", "link add out type veth peer name far", "link set far up",
                "addr add 192.0.2.2/24 dev out", "link set out up", "route add default via 192.0.2.1",
                "neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev out"):
    subprocess.run(["ip", *command.split()], check=True)
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
packets.settimeout(0.5)
seen = []

def watch():
    while True:
        try:
            data, (device, protocol, *_) = packets.recvfrom(65536)
        except TimeoutError:
            if ended.is_set():
                return
            continue
        if protocol == 0x0800 and data[9] in (6, 17):
            length = 4 * (data[0] & 15)
            seen.append([socket.inet_ntoa(data[16:20]), *struct.unpack("!HH", data[length:length + 4])])
        elif protocol not in (0x86DD,):
            seen.append([device, protocol, 0])

ended = threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
if sys.argv[2] == "connect":
    probe = socket.socket()
    probe.setblocking(False)
    probe.connect_ex(("203.0.113.1", 443))
    probe.close()
folder = Path(sys.argv[1])
port = 0
with started(next(folder.glob("*/manifest.json")).parent, folder, MLDEPLOY_WORKERS="2") as server:
    port = server.port
    for path in ("/docs", "/openapi.json", "/metrics"):
        server.client.get(path)
    row = {"height": 1.0, "weight": 0.5, "visits": 2}
    answers = [server.client.post("/predict", json={"instances": [row] * 100}).status_code for _ in range(50)]
    server.stop()
ended.set()
watcher.join()
own = [packet for packet in seen if port not in packet[1:]]
print(json.dumps({"answers": sorted(set(answers)), "packets": len(seen), "others": own}))
"""


def watched(bundle: Path, what: str) -> dict[str, Any]:
    command = ["unshare", "--net", sys.executable, "-c", WATCHED, str(bundle), what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    numeric_bundle(tmp_path)
    return tmp_path


def test_nothing_but_answers_leaves_the_server(bundle: Path) -> None:
    outcome = watched(bundle, "only serve")
    assert outcome["answers"] == [200]
    assert outcome["packets"] > 100, "the watch has seen the answers"
    assert outcome["others"] == []


def test_the_watch_sees_a_connection_that_leaves(bundle: Path) -> None:
    assert ["203.0.113.1", 443] in [[address, port] for address, _, port in watched(bundle, "connect")["others"]]
