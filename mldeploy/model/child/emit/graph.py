"""An ONNX graph while it is being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Union

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
CONTRIB = "com.microsoft"
DOMAINS = {"": 21, ML: 5, CONTRIB: 1}
IR_VERSION = 10

MAX_WIDTH = 1 << 17
"""Columns up to which a row of what is mostly zeros is made: 1 MB."""

Operand = Union[str, np.ndarray, np.generic, float, int, Sequence[int]]


@dataclass(frozen=True)
class Column:
    """One column of what flows between steps: `position` in the tensor [rows, width] that holds it.

    For a string column `replaced` says which values earlier steps turned into which, and `missing` is
    what the original sees where the value is missing; no operator is spent on strings until an encoder
    turns them into numbers through a table. `sparse` says that the original has the column in a sparse
    matrix, which stores no zeros.
    """

    tensor: str
    position: int
    width: int
    kind: str = "number"
    missing: Any = None
    replaced: tuple[tuple[Any, Any], ...] = ()
    sparse: bool = False


@dataclass(frozen=True)
class Entries:
    """What a sparse matrix [height, width] stores: int64 [entries] twice and double [entries], each place once.

    `height` is an int64 [1]. `signed` says that values may be negative, or 0; `origin` what the matrix comes from.
    """

    rows: str
    columns: str
    values: str
    height: str
    width: int
    signed: bool
    origin: str


@dataclass
class Graph:
    """Nodes in order and constants. Names count up, so the same model written twice gives the same bytes.

    `entries` are of matrices whose columns are too many, or nearly all zeros: what can do with them need not read the
    matrix. `blocks` are the matrices, each with its width, that one with such among them was put together from.
    """

    missing_string: str = "\ufdd0"
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)
    entries: dict[str, Entries] = field(default_factory=dict)
    blocks: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    _named: int = 0
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def constant(self, value: Any) -> str:
        """The name of a constant; numbers default to double, integers to int64, text to string."""
        array = np.asarray(value)
        if array.dtype.kind in "OUS":
            array = array.astype(object)
            content = repr(array.tolist()).encode()
        else:
            if array.dtype.kind in "iu" and array.dtype != np.uint8:
                array = array.astype(np.int64)
            array = np.ascontiguousarray(array).reshape(array.shape)
            content = array.tobytes()
        key = (str(array.dtype), array.shape, content)
        if key not in self._known:
            name = f"c{len(self.constants)}"
            self._known[key] = name
            self.constants[name] = numpy_helper.from_array(array, name)
        return self._known[key]

    def add(self, operator: str, *operands: Operand, domain: str = "", name: str = "", **attributes: Any) -> str:
        """Append a node with one output and return that output's name; operands that are no names are constants."""
        output = name or self._name()
        self._append(operator, operands, [output], domain, attributes)
        return output

    def add_many(self, operator: str, *operands: Operand, count: int, **attributes: Any) -> list[str]:
        """As `add`, for an operator with `count` outputs."""
        outputs = [self._name() for _ in range(count)]
        self._append(operator, operands, outputs, "", attributes)
        return outputs

    def loop(
        self,
        times: int,
        state: Sequence[str],
        step: Callable[[list[str]], tuple[str, list[str]]],
        kind: int = TensorProto.DOUBLE,
    ) -> list[str]:
        """Repeat `step` at most `times` times and return the last state.

        `step` is given the names of the state's tensors, all of one kind, and returns a bool [], whether to go on,
        and the new state; it may use every tensor written before.
        """
        inside = [self._name() for _ in state]
        counter, going = self._name(), self._name()
        outer, self.nodes = self.nodes, []
        go_on, after = step(inside)
        body = helper.make_graph(
            self.nodes,
            "step",
            [
                helper.make_tensor_value_info(counter, TensorProto.INT64, []),
                helper.make_tensor_value_info(going, TensorProto.BOOL, []),
                *(helper.make_tensor_value_info(name, kind, None) for name in inside),
            ],
            [
                helper.make_tensor_value_info(go_on, TensorProto.BOOL, []),
                *(helper.make_tensor_value_info(name, kind, None) for name in after),
            ],
        )
        self.nodes = outer
        return self.add_many("Loop", np.int64(times), "", *state, count=len(state), body=body)

    def _name(self) -> str:
        self._named += 1
        return f"t{self._named - 1}"

    def _append(
        self, operator: str, operands: Sequence[Operand], outputs: list[str], domain: str, attributes: dict[str, Any]
    ) -> None:
        inputs = [operand if isinstance(operand, str) else self.constant(operand) for operand in operands]
        self.nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))

    def cast(self, tensor: str, to: int) -> str:
        return self.add("Cast", tensor, to=to)

    def through_float32(self, tensor: str) -> str:
        """Round to float32 and back, where the library itself does before it compares with thresholds."""
        return self.cast(self.cast(tensor, TensorProto.FLOAT), TensorProto.DOUBLE)

    def matrix(self, columns: Sequence[Column]) -> str:
        """Numeric columns as one double tensor [rows, len(columns)]."""
        parts = []
        for run in _runs(columns):
            first = run[0]
            positions = [column.position for column in run]
            if positions == list(range(first.width)):
                parts.append((first.tensor, len(run)))
            else:
                gathered = self.add("Gather", first.tensor, np.array(positions, dtype=np.int64), axis=1)
                parts.append((gathered, len(run)))
        if len(parts) == 1:
            return parts[0][0]
        whole = self.add("Concat", *(part for part, _ in parts), axis=1)
        if any(part in self.entries for part, _ in parts):
            self.blocks[whole] = parts
        return whole

    def build(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> ModelProto:
        """The model, without what no output needs."""
        needed = {output.name for output in outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(_reads(node))
        graph = helper.make_graph(
            kept[::-1],
            "mldeploy",
            [value for value in inputs if value.name in needed],
            list(outputs),
            [tensor for name, tensor in self.constants.items() if name in needed],
        )
        return helper.make_model(
            graph,
            producer_name="mldeploy",
            ir_version=IR_VERSION,
            opset_imports=[
                helper.make_opsetid(domain, version)
                for domain, version in DOMAINS.items()
                if domain in {"", ML, *(node.domain for node in kept)}
            ],
        )


def columns_of(tensor: str, width: int, sparse: bool = False) -> list[Column]:
    """Every column of a double tensor [rows, width]."""
    return [Column(tensor, position, width, sparse=sparse) for position in range(width)]


def _reads(node: NodeProto) -> list[str]:
    """The tensors that a node reads, those of a loop's steps included."""
    inner = [name for attribute in node.attribute for each in attribute.g.node for name in _reads(each)]
    return [*node.input, *inner]


def _runs(columns: Sequence[Column]) -> list[list[Column]]:
    runs: list[list[Column]] = []
    for column in columns:
        if runs and runs[-1][0].tensor == column.tensor:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs
