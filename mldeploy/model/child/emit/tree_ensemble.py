"""Trees as one `TreeEnsemble` operator of ai.onnx.ml 5, with double thresholds and leaf weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from .graph import ML, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LESS_OR_EQUAL, MEMBER = 0, 6
SUM = 1
NO_TRANSFORM = 0


@dataclass(frozen=True)
class Tree:
    """One tree as arrays over its nodes, node 0 the root; a leaf has `left` -1.

    A row goes left when its feature is at most the threshold, or, in a node of `members`, when it is one
    of those values; `missing_left` says where a missing value goes.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    members: Mapping[int, Sequence[float]] = field(default_factory=dict)

    def is_leaf(self, node: int) -> bool:
        return bool(self.left[node] < 0)


@dataclass
class _Layout:
    """The operator's parallel attributes while trees are appended to them."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_leaves: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_leaves: list[int] = field(default_factory=list)
    leaf_targets: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)
    members: list[float] = field(default_factory=list)

    def append(self, tree: Tree, values: np.ndarray, target: int) -> None:
        start = len(self.splits)
        self.roots.append(start)
        inner = [node for node in range(len(tree.left)) if not tree.is_leaf(node)]
        if not inner:
            self._append_node(0, 0.0, LESS_OR_EQUAL, 0)
            leaf = self._append_leaf(values[0], target)
            self._append_branches((leaf, True), (leaf, True))
        position = {node: start + place for place, node in enumerate(inner)}
        for node in inner:
            member = node in tree.members
            self._append_node(
                int(tree.feature[node]),
                0.0 if member else float(tree.threshold[node]),
                MEMBER if member else LESS_OR_EQUAL,
                int(tree.missing_left[node]),
            )
            if member:
                # A NaN ends each node's set.
                self.members.extend([*tree.members[node], np.nan])
            left, right = (
                (self._append_leaf(values[child], target), True)
                if tree.is_leaf(child)
                else (position[int(child)], False)
                for child in (tree.left[node], tree.right[node])
            )
            self._append_branches(left, right)

    def _append_node(self, feature: int, split: float, mode: int, missing_true: int) -> None:
        self.features.append(feature)
        self.splits.append(split)
        self.modes.append(mode)
        self.missing_true.append(missing_true)

    def _append_leaf(self, weight: Any, target: int) -> int:
        self.leaf_targets.append(target)
        self.leaf_weights.append(float(weight))
        return len(self.leaf_weights) - 1

    def _append_branches(self, true: tuple[int, bool], false: tuple[int, bool]) -> None:
        self.true_ids.append(true[0])
        self.true_leaves.append(int(true[1]))
        self.false_ids.append(false[0])
        self.false_leaves.append(int(false[1]))


def tree_sum(
    graph: Graph,
    x: str,
    trees: Sequence[Tree],
    values: Sequence[np.ndarray],
    targets: Sequence[int],
    *,
    single: bool = False,
) -> str:
    """The sum of each tree's leaf value into its target, in the order of the trees: double [rows, max(targets) + 1].

    `values` holds one array a tree, with an entry for every node (those of inner nodes are not used). With `single`
    the features, thresholds, leaves and sums are float32.
    """
    kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
    layout = _Layout()
    for tree, leaves, target in zip(trees, values, targets):
        layout.append(tree, leaves, int(target))
    members = {"membership_values": _numbers("membership_values", kind, layout.members)} if layout.members else {}
    return graph.add(
        "TreeEnsemble",
        x,
        domain=ML,
        n_targets=max(targets) + 1,
        aggregate_function=SUM,
        post_transform=NO_TRANSFORM,
        tree_roots=layout.roots,
        nodes_featureids=layout.features,
        nodes_splits=_numbers("nodes_splits", kind, layout.splits),
        nodes_modes=helper.make_tensor("nodes_modes", TensorProto.UINT8, [len(layout.modes)], layout.modes),
        nodes_missing_value_tracks_true=layout.missing_true,
        nodes_truenodeids=layout.true_ids,
        nodes_trueleafs=layout.true_leaves,
        nodes_falsenodeids=layout.false_ids,
        nodes_falseleafs=layout.false_leaves,
        leaf_targetids=layout.leaf_targets,
        leaf_weights=_numbers("leaf_weights", kind, layout.leaf_weights),
        **members,
    )


def tree_rows(graph: Graph, x: str, trees: Sequence[Tree], tables: Sequence[np.ndarray]) -> str:
    """The sum over trees of the row that each one's leaf has in its table: double [rows, columns].

    Each table is [nodes, columns]. The leaf's number is found first and its row gathered, which keeps one
    copy of the tree however many columns there are, and adds up in the order of the trees.
    """
    leaves = tree_leaves(graph, x, trees, [len(table) for table in tables])
    rows = graph.add("Gather", np.concatenate(tables), leaves, axis=0)
    return graph.add("ReduceSum", rows, np.array([1]), keepdims=0)


def tree_leaves(graph: Graph, x: str, trees: Sequence[Tree], counts: Sequence[int]) -> str:
    """The node in which each tree ends: int64 [rows, trees]; `counts` of each tree, numbered through all of them."""
    starts = np.cumsum([0, *counts[:-1]])
    numbers = [start + np.arange(count, dtype=np.float64) for start, count in zip(starts, counts)]
    return graph.cast(tree_sum(graph, x, trees, numbers, range(len(trees))), TensorProto.INT64)


def _numbers(name: str, kind: int, values: Sequence[float]) -> TensorProto:
    return helper.make_tensor(name, kind, [len(values)], values)
