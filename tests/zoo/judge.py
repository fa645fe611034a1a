"""Package one case of the zoo by the exact emitter and judge it on rows that its proof did not use."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from mldeploy.errors import UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.ladder import climb
from mldeploy.model.original import Original
from mldeploy.model.parity import compare
from mldeploy.model.probes import OTHER_SEED, proof_rows
from mldeploy.model.sample import sample_of
from mldeploy.model.scan import require_trusted
from mldeploy.model.signature import ask_what_is_refused, infer_fields
from mldeploy.model.single import prefer_float32

if TYPE_CHECKING:
    from tests.zoo.cases import Case

TOLERANCE = 1e-5
FRESH_SEED = 77


@dataclass(frozen=True)
class Verdict:
    """What came of one case: the largest error met on fresh rows, and labels that differ there.

    `rungs` gave the graphs that were judged: the exact one, and where float32 might be served that one, too.
    """

    rungs: tuple[str, ...]
    rows: int
    flips: int
    max_error: float


def judge(case: Case, rungs: tuple[str, ...] = ("exact",)) -> Verdict:
    """Fit, save, scan, open, prove, and compare on fresh rows. Raises what packaging raises."""
    x, y = case.data()
    model = case.model().fit(x, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.joblib")
        joblib.dump(model, path)
        require_trusted(path)
        original = Original(path, asking(Session()), Path(folder))
        described = original.open()
        sample = None if isinstance(x, np.ndarray) else sample_of(x.iloc[::2], path)
        fields, _ = infer_fields(described, sample)
        fields = ask_what_is_refused(original, fields, sample)
        types = [field.type() for field in fields]
        rows = proof_rows(fields, sample)
        answers = original.answer(types, rows)
        proven, _ = climb(original, fields, rows, answers, TOLERANCE, rungs)
        # However fast it is here: elsewhere it may be measured to be the faster one.
        single, _ = prefer_float32(
            proven, original, types, rows, answers, lambda: proof_rows(fields, sample, OTHER_SEED), speedup=0.0
        )
        fresh_sample = None if isinstance(x, np.ndarray) else sample_of(x.iloc[1::2], path)
        fresh = proof_rows(fields, fresh_sample, seed=FRESH_SEED)
        expected = original.answer(types, fresh)
        judged = {each.rung: each.converter for each in (proven, single)}
        proofs = [compare(fresh, expected, each.answer(fresh), TOLERANCE).proof for each in judged.values()]
    return Verdict(
        tuple(judged),
        proofs[0].rows,
        max(proof.label_flips for proof in proofs),
        max(proof.max_error for proof in proofs),
    )


def asking(session: Session) -> Any:
    """Questions answered by the child's code in this process, through JSON as they are over the pipe."""

    def ask(**request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(session.handle(json.loads(json.dumps(request)))))
        if "unusable" in answer:
            raise UsageError(answer["unusable"], cause=answer["cause"], remedy=answer["remedy"])
        return answer

    return ask
