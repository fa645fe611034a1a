"""A double graph keeps its digits in the session of the proof."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import FeatureUnion

from mldeploy.bundle import Graph, Outputs
from mldeploy.model.child.emit import write_model
from mldeploy.model.child.kinds import Kind
from mldeploy.model.parity import Converter
from mldeploy.model.rows import Rows


def test_a_scaled_matrix_product_is_not_rounded() -> None:
    numbers = np.random.default_rng(0).normal(size=(50, 4))
    svd = TruncatedSVD(2, random_state=0)
    model = FeatureUnion([("svd", svd)], transformer_weights={"svd": 1 / 3}).fit(numbers)
    fields = [{"name": f"x{place}", "dtype": "float", "missing_is_none": False} for place in range(4)]
    built, graph = write_model(model, fields, Kind("transformer", names=["a", "b"]))
    converter = Converter(built.SerializeToString(), Graph.model_validate(graph), Outputs(names=("a", "b")))
    rows = Rows({f"x{place}": numbers[:, place].tolist() for place in range(4)}, ["sample"] * len(numbers))
    values = converter.answer(rows).values
    assert values is not None
    np.testing.assert_allclose(values, model.transform(numbers), rtol=1e-13)
