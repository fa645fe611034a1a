"""The request as types made from the manifest: the decoder and the published schema both come from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mldeploy_runtime.bundle import BundleError

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Input, Manifest

# The greatest integers that reach a tensor unchanged.
EXACT_IN_FLOAT64 = 2**53
EXACT_IN_INT64 = 2**63 - 1


def request_type(manifest: Manifest) -> type[Any]:
    """The body of /predict: `instances` or `columns` and, where the model takes one, `threshold`.

    Raises BundleError for a field name that cannot be a decoder's key.
    """
    types = [_field_type(field, integer_limit(manifest, field)) for field in manifest.inputs]
    instance = _record("Instance", manifest, types)
    columns = _record("Columns", manifest, [Annotated[list[kind], Meta(min_length=1)] for kind in types])  # type: ignore[valid-type]
    fields: list[tuple[str, Any, Any]] = [
        ("instances", Annotated[list[instance], Meta(min_length=1)] | UnsetType, UNSET),  # type: ignore[valid-type]
        ("columns", columns | UnsetType, UNSET),
    ]
    if manifest.takes_threshold:
        meta = Meta(ge=0, le=1, description="Answer the second class from this probability on.")
        fields.append(("threshold", Annotated[float, meta] | UnsetType, UNSET))
    return msgspec.defstruct("PredictRequest", fields, forbid_unknown_fields=True, gc=False)


def integer_limit(manifest: Manifest, field: Input) -> int:
    """The greatest magnitude of an int field's values that no tensor holding it would change."""
    dtypes = {tensor.dtype for tensor in manifest.graph.tensors if field.name in tensor.fields}
    return EXACT_IN_INT64 if dtypes == {"int64"} else EXACT_IN_FLOAT64


def only_known_categories(field: Input) -> bool:
    return field.unknown == "reject" and field.categories is not None


def checked_while_decoding(field: Input) -> bool:
    """Whether the decoder itself refuses unknown categories; it can for strings alone."""
    return only_known_categories(field) and field.dtype == "string" and bool(field.categories)


def _record(name: str, manifest: Manifest, types: list[Any]) -> type[msgspec.Struct]:
    attributes = [f"f{index}" for index in range(len(types))]
    rename = {attribute: field.name for attribute, field in zip(attributes, manifest.inputs, strict=True)}
    try:
        return msgspec.defstruct(
            name, list(zip(attributes, types, strict=True)), rename=rename, forbid_unknown_fields=True, gc=False
        )
    except ValueError as failure:
        raise BundleError(f"an input's name cannot be served: {failure}") from failure


def _field_type(field: Input, limit: int) -> Any:
    kind: Any
    if checked_while_decoding(field):
        kind = Literal[field.categories]
    elif field.dtype == "int":
        kind = Annotated[int, Meta(ge=-limit, le=limit)]
    else:
        kind = {"float": float, "bool": bool, "string": str}[field.dtype]
    if field.nullable:
        kind = kind | None
    seen: dict[str, Any] = {}
    if field.minimum is not None and field.maximum is not None:
        seen["x-observed-range"] = [field.minimum, field.maximum]
    if field.categories is not None:
        seen["x-observed-categories"] = field.categories
    return Annotated[kind, Meta(description=describe(field), extra_json_schema=seen or None)]


def describe(field: Input) -> str:
    """A field in words, for people who read the API's documentation."""
    words = {"float": "Number", "int": "Integer, without a decimal point", "bool": "Boolean", "string": "String"}[
        field.dtype
    ]
    if field.nullable:
        words += ", or null for missing"
    if field.minimum is not None and field.maximum is not None:
        words += f"; from {field.minimum:g} to {field.maximum:g} in training"
    if only_known_categories(field):
        words += "; only categories seen in training"
    elif field.unknown in ("ignore", "warn"):
        words += "; an unseen category is answered as the trained encoder does"
        words += ", and told" if field.unknown == "warn" else ""
    return words + "."
