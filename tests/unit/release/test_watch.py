"""What the watch after a switch makes of the figures of the new release and the one before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from mldeploy.config import Config
from mldeploy.errors import MldeployError
from mldeploy.metrics import ServerView, nothing_yet
from mldeploy.release import watch as watching
from mldeploy.release.watch import Watch

if TYPE_CHECKING:
    from mldeploy.release.operation import Operation

WATCH = Watch.of(Config.model_validate({"slo": {"p99_ms": 20}}), None)


def view(requests: int, failed: int = 0, p99_s: float = 0.005) -> ServerView:
    return ServerView({"200": requests - failed, "503": failed}, 0.001, p99_s)


@pytest.mark.parametrize(
    ("new", "old", "complaint"),
    [
        (view(1000), view(1000), None),
        (view(1000, failed=5), view(1000), None),
        (view(1000, failed=20), view(1000), "fails more often"),
        (view(1000, failed=20), view(1000, failed=20), None),
        (view(1000, p99_s=0.05), view(1000), "more slowly"),
        (view(1000, p99_s=0.02), view(1000), None),  # within the target, whatever it was before
        (view(1000, p99_s=0.05), view(1000, p99_s=0.02), None),  # not that many times more
        (view(1000, p99_s=0.5), None, None),  # nothing to compare with
        (view(1000, p99_s=0.5), view(10), None),
        (view(1000, failed=20), None, "fails more often than it may"),
        (view(49, failed=49), view(1000), None),  # too few
    ],
)
def test_a_release_is_worse_by_its_errors_or_its_p99(
    new: ServerView, old: ServerView | None, complaint: str | None
) -> None:
    found, _ = WATCH.judge(new, old)
    assert (found is None) if complaint is None else complaint in str(found)


@pytest.mark.parametrize(
    ("previous", "said"), [("r1", "r2 is worse than r1"), (None, "r2 is not fit to serve")], ids=["later", "first"]
)
def test_a_release_that_is_switched_back_from_is_compared_with_one_that_was(
    previous: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_reading", lambda *_: nothing_yet())
    judge = SimpleNamespace(judge=lambda *_: ("it fails", "figures"))
    op = cast("Operation", SimpleNamespace(release="r2", previous=previous, watch=judge))
    with pytest.raises(MldeployError, match=said):
        watching._require_no_worse(op, nothing_yet(), None)


def test_without_traffic_it_says_that_it_could_not_judge() -> None:
    assert WATCH.judge(view(0), view(1000)) == (None, "no traffic: it could not be judged")
    assert WATCH.judge(None, view(1000))[1] == "no traffic: it could not be judged"
    assert "too few to judge" in WATCH.judge(view(7), view(1000))[1]


def test_refused_requests_are_no_failures_of_the_server() -> None:
    refused = ServerView({"200": 500, "422": 400, "401": 100}, 0.001, 0.005)
    assert WATCH.judge(refused, view(1000))[0] is None
