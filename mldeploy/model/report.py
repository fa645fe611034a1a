"""What the proof found, for people (parity.html) and for programs (report.json)."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from mldeploy import __version__

if TYPE_CHECKING:
    from mldeploy.bundle import Proof
    from mldeploy.model.ladder import Answering, Attempt
    from mldeploy.model.profile import Profile

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d5dae1;padding:.3rem .7rem;text-align:left}"
    "th{background:#f2f4f7}.ok{color:#0a7a3c}.bad{color:#b3261e}code{background:#f2f4f7;padding:0 .2rem}"
)


def report_json(
    estimator: str, proven: Answering, attempts: list[Attempt], notes: list[str], profile: list[Profile]
) -> str:
    data = {
        "schema": 1,
        "mldeploy": __version__,
        "estimator": estimator,
        "notes": notes,
        "taken": proven.rung,
        "attempts": [_attempt(attempt) for attempt in attempts],
        "latency": [asdict(each) for each in profile],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parity_html(
    title: str, estimator: str, proven: Answering, attempts: list[Attempt], notes: list[str], profile: list[Profile]
) -> str:
    """One self-contained page: the outcome, each kind of probe, each rung, the latency."""
    comparison = proven.comparison
    proof = comparison.proof
    outcome = (
        f'<p class="ok">Proven: {proof.rows} rows, no label differs, largest error {proof.max_error:.2g} '
        f"(tolerance {proof.tolerance:g}), by {_answered_by(proof)}.</p>"
        if proof.holds
        else f'<p class="bad">Not proven: {proof.label_flips} labels differ and {proof.rows_over_tolerance} '
        f"of {proof.rows} rows are over the tolerance {proof.tolerance:g}.</p>"
    )
    worst = comparison.worst_probe
    kinds = [
        (kind, count, wrong, f"{error:.2g}") for kind, (count, wrong, error) in comparison.errors_by_origin.items()
    ]
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(estimator)}</p>{outcome}",
        "".join(f"<p>{escape(note)}</p>" for note in notes),
        "<h2>Rows compared</h2>" + _table(("rows from", "rows", "wrong", "largest error"), kinds),
        f"<p>The largest error is in a row of <code>{escape(worst)}</code>.</p>" if worst else "",
        "<h2>Conversions tried</h2>" + _table(("rung", "outcome"), [(each.rung, each.outcome) for each in attempts]),
        f"<p>Taken: {escape(proven.rung)}. {escape(proven.precision.reason)}.</p>",
    ]
    if profile:
        latency = [(each.rows, _ms(each.original_ms), _ms(each.converted_ms)) for each in profile]
        parts.append("<h2>Latency</h2>" + _table(("rows at once", "original (ms)", "ONNX (ms)"), latency))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _answered_by(proof: Proof) -> str:
    return f"onnxruntime {escape(proof.onnxruntime)}" if proof.onnxruntime else "the original in its locked environment"


def _ms(milliseconds: float | None) -> str:
    return "not measured" if milliseconds is None else f"{milliseconds:.3f}"


def _attempt(attempt: Attempt) -> dict[str, Any]:
    result: dict[str, Any] = {"rung": attempt.rung, "outcome": attempt.outcome}
    if attempt.comparison is not None:
        result["proof"] = attempt.comparison.proof.model_dump()
        result["rows_from"] = {
            kind: {"rows": count, "wrong": wrong, "max_error": error}
            for kind, (count, wrong, error) in attempt.comparison.errors_by_origin.items()
        }
        result["worst_probe"] = attempt.comparison.worst_probe
        result["worst"] = [asdict(mismatch) for mismatch in attempt.comparison.worst]
    return result


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{body}</table>"
