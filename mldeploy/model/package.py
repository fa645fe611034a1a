"""`mldeploy package`: from a model file to a proven bundle."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import onnxruntime

from mldeploy.bundle import Bundle, Contents, Source, name_and_version, write_bundle
from mldeploy.errors import UsageError
from mldeploy.model.baseline import baseline
from mldeploy.model.environment import DISTRIBUTIONS, find_environment, meets, needs_of
from mldeploy.model.golden import choose_golden
from mldeploy.model.ladder import NotConvertedError, ParityError, climb
from mldeploy.model.limits import TIME_LIMIT_S, TOLERANCE
from mldeploy.model.native import PYTHONS, only_python, serve_as_it_is
from mldeploy.model.original import Original
from mldeploy.model.probes import OTHER_SEED, conformed, proof_rows
from mldeploy.model.process import Child
from mldeploy.model.profile import profile, time_original
from mldeploy.model.report import parity_html, report_json
from mldeploy.model.sample import read_sample
from mldeploy.model.scan import modules_of, require_trusted
from mldeploy.model.signature import ask_what_is_refused, infer_fields
from mldeploy.model.single import prefer_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy.bundle import Outputs, Unknown
    from mldeploy.config import Backend
    from mldeploy.model.environment import Needs
    from mldeploy.model.ladder import Answering, Attempt, Proven
    from mldeploy.model.original import Answers, Described
    from mldeploy.model.rows import Rows
    from mldeploy.model.signature import Field


def package_model(
    model: Path,
    *,
    sample: Path | None = None,
    name: str | None = None,
    version: str | None = None,
    tolerance: float = TOLERANCE,
    precision: Literal["auto", "float64"] = "auto",
    outputs: Sequence[str] = (),
    into: Path = Path("build"),
    metadata: dict[str, Any] | None = None,
    trust: Sequence[str] = (),
    python: Path | None = None,
    requirements: Path | None = None,
    code: Path | None = None,
    select: str | None = None,
    backend: Backend = "onnx",
    unknown: Unknown = "ignore",
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit: int | None = None,
    progress: Callable[[str, str], None] | None = None,
) -> Bundle:
    """Convert the fitted model in `model`, prove the conversion, and write the bundle into `into`.

    `sample` is a CSV or Parquet file of rows like those it was trained on; `trust` names packages whose
    code the file may bring. It is opened in an environment with the versions that it records, and what the file
    `requirements` adds; or by the interpreter `python`. `code` is a folder of modules that it imports, which is
    trusted; `select` names one of several models in it. `backend` is what answers: a graph, the original as it is
    (native), or (auto) the original where no graph is proven. Its process may use `memory_limit` bytes, else all the
    machine's. `unknown` is what the server does with an unseen category of a field whose encoder takes one; the
    others refuse it. `precision` "auto" takes float32 where it is as right and faster. `outputs` names several outputs.
    `progress` is told each finished step and its detail.

    Raises UsageError for a file or sample that cannot be used, ParityError when no conversion answers as
    the original does, MldeployError when none exists or the model's process fails. Nothing is written then.
    """
    if not model.is_file():
        raise UsageError(f"there is no model file {model}", remedy="Name a file that joblib.dump() wrote.")
    if model.stat().st_size == 0:
        raise UsageError(f"{model.name} is empty", remedy="Save the model again, and check that the copy is complete.")
    trust = [*trust, *(modules_of(code) if code else ())]
    names = require_trusted(model, trust)
    needs = needs_of(model, names, requirements)
    tell = progress or (lambda *_: None)
    given = read_sample(sample) if sample is not None else None
    file_name, file_version = name_and_version(model)
    with Child(model, python or _environment(needs, tell), time_limit_s, memory_limit) as child:
        original = Original(model, child.ask, child.folder)
        described = original.open(trust, needs.versions, code, select)
        tell(f"opened {model.name}", described.estimator)
        fields, notes = infer_fields(described, given)
        notes += _assumed(needs, described)
        fields = ask_what_is_refused(original, fields, given)
        tell(f"signature of {len(fields)} fields", "; ".join(notes))
        types = [field.type() for field in fields]
        if unknown == "reject":
            fields = [replace(field, takes_unknown=False) for field in fields]
        rows = proof_rows(fields, given)
        answers = original.answer(types, rows)
        if outputs:
            answers = replace(answers, outputs=_named(answers.outputs, outputs))
        assert answers.task is not None  # noqa: S101 - it has answered a row, or there would be no signature
        notes += _undecided(answers)
        proven: Proven | None = None
        attempts: list[Attempt] = []

        def reopen() -> None:
            child.restart()
            original.open(trust, needs.versions, code, select)
            # It knows the kind of the model from having answered.
            original.answer(types, rows)

        if backend != "native":
            try:
                proven, attempts = climb(original, fields, rows, answers, tolerance, reopen=reopen)
            except (NotConvertedError, ParityError) as failure:
                if backend == "onnx":
                    raise
                attempts = failure.attempts
        answered = rows.select([row for row in range(len(rows)) if answers.can_be_compared(row)])
        original_s = time_original(original, types, answered)
        if proven is not None and precision == "auto":
            proven, tried = prefer_float32(
                proven, original, types, rows, answers, lambda: proof_rows(fields, given, OTHER_SEED)
            )
            attempts += tried
        answering: Answering
        if proven is None:
            answering, attempt, cost = serve_as_it_is(
                original,
                types,
                rows,
                answers,
                tolerance,
                modules=names.packages | ({"pandas"} if described.named else set()),
                code=code,
                select=select,
                pythons=only_python(described.versions["python"]) if names.holds_code else PYTHONS,
                open_child=partial(Child, model, time_limit_s=time_limit_s, memory_limit=memory_limit),
            )
            attempts, notes = [*attempts, attempt], [*notes, cost]
            tell("served by the original itself", f"{attempt.outcome}; {cost}")
        else:
            answering = proven
            tell(f"converted by {proven.rung}", _said(proven))
    latency = profile(original_s, None if proven is None else proven.converter, answered)
    contents = Contents(
        name=name or file_name,
        version=version or file_version,
        task=answers.task,
        inputs=tuple(field.input(unknown) for field in fields),
        outputs=answers.outputs,
        graph=answering.graph,
        threshold=None,
        source=_source(model, described),
        precision=answering.precision,
        proof=answering.comparison.proof,
        metadata=metadata or {},
        model=answering.model,
        native=answering.native,
        beside=answering.beside,
        golden=choose_golden(rows, answers, tolerance, _refused(fields, rows)),
        baseline=baseline(fields, conformed(fields, given) if given else None, *_answered(rows, answers)),
    )
    report = {
        "report.json": report_json(described.estimator, answering, attempts, notes, latency),
        "parity.html": parity_html(contents.name, described.estimator, answering, attempts, notes, latency),
    }
    bundle = write_bundle(contents, into, report)
    tell(f"wrote {bundle.path}", bundle.manifest.bundle_id[:12])
    return bundle


def _named(found: Outputs, names: Sequence[str]) -> Outputs:
    """The outputs under these names, for a fitted model keeps none of its targets."""
    expected = len(found.names or ())
    if len(names) != expected or len({*names}) != expected or "" in names:
        raise UsageError(
            f"--outputs names {', '.join(names)}, and the model has {expected or 'not several'} outputs",
            remedy=f"Give {expected} different names, in the order of the targets." if expected else "Leave it out.",
        )
    return found.model_copy(update={"names": tuple(names)})


def _said(proven: Proven) -> str:
    proof = proven.comparison.proof
    return f"proven on {proof.rows} rows, largest error {proof.max_error:.2g}; {proven.precision.dtype}"


def _assumed(needs: Needs, described: Described) -> list[str]:
    """The versions that the file does not tell: LightGBM, for one, records none."""
    installed = described.versions["packages"]
    unrecorded = sorted(needs.libraries - needs.versions.keys())
    taken = [
        f"{name} {installed[name]}" for library in unrecorded for name in DISTRIBUTIONS[library] if name in installed
    ]
    if not taken:
        return []
    return [
        f"the file does not record which version saved it, so {', '.join(taken)} answers; --requirements names another"
    ]


def _refused(fields: list[Field], rows: Rows) -> set[int]:
    """The rows that the server refuses for an unseen category."""
    strict = [field for field in fields if field.categories is not None and not field.takes_unknown]
    return {
        row
        for field in strict
        for row, value in enumerate(rows.columns[field.name])
        if value is not None and value not in (field.categories or ())
    }


def _answered(rows: Rows, answers: Answers) -> tuple[list[Any], list[Any]]:
    """The labels and the values that the original answers to the sample's rows, where it is one of either."""
    taken = [row for row, origin in enumerate(rows.origins) if origin == "sample" and answers.can_be_compared(row)]
    labels = answers.labels if answers.task == "classifier" else None
    values = answers.values if answers.task == "regressor" else None
    return [labels[row] for row in taken] if labels else [], [values[row] for row in taken] if values else []


def _undecided(answers: Answers) -> list[str]:
    if not answers.undecided:
        return []
    return [
        f"not compared: {len(answers.undecided)} rows to which training rows are equally near, "
        "so that the original's own answer hangs on the order of these"
    ]


def _environment(needs: Needs, tell: Callable[[str, str], None]) -> Path:
    """The Python that opens the model: this one where it has what the file needs."""
    return Path(sys.executable) if meets(needs) else find_environment(needs, tell)


def _source(model: Path, described: Described) -> Source:
    return Source(
        file=model.name,
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        python=described.versions["python"],
        packages={**described.versions["packages"], "onnxruntime": onnxruntime.__version__},
    )
