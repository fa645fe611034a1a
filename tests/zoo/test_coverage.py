"""The zoo holds every estimator that has an emitter, and the published table says which."""

from __future__ import annotations

from tests.zoo.coverage import PAGE, cases_by_estimator, estimators_page


def test_every_estimator_of_scikit_learn_with_an_emitter_has_a_case() -> None:
    without = [path for path, found in cases_by_estimator().items() if path.startswith("sklearn.") and not any(found)]
    assert without == []


def test_the_published_table_is_that_of_the_registry_and_the_zoo() -> None:
    assert PAGE.read_text(encoding="utf-8") == estimators_page(), "run: python -m tests.zoo.coverage"
