"""Texts and records: vectorizers of words, of characters and of dictionaries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import sklearn
import xgboost
from sklearn import compose, datasets, linear_model, naive_bayes, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
    strip_tags,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.zoo.cases import data
from tests.zoo.cases.case import MEASURES, Case

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = {
    "tr": "İstanbul güzel bir şehir; IŞIK ve ığdır, İzmir'de deniz. Şu çocuk üç gün önce İyi uyudu",
    "el": "Η Αθήνα είναι η πρωτεύουσα. ΟΔΟΣ και οδός, ο σοφός άνθρωπος ΣΟΦΟΣ στους δρόμους",
    "ru": "Москва — столица России. ЁЖИК и ёжик, быстрый поезд, большое море, зима",
    "ja": "東京は 日本の 首都です。 カタカナ ひらがな 漢字 テスト ラーメン 寿司",
    "hi": "हिन्दी भाषा में लिखना आसान है और दिल्ली राजधानी है",
    "de": "Die Straße ist groß, STRASSE und GRÖSSE, ÄÖÜ äöü; Köln liegt am Rhein",
    "fr": "L'été à Paris, déjà naïve café cafe\u0301; ÉCOLE, cœur et l'œuvre",
}


@cache
def paragraphs() -> data.Data:
    """English prose that scikit-learn ships, cut into sentences; three sources."""
    texts, labels = [], []
    for label, describe in enumerate((datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes)):
        words = describe().DESCR.split()
        for start in range(0, len(words) - 12, 4):
            texts.append(" ".join(words[start : start + 4 + start % 13]))
            labels.append(label)
    return pd.DataFrame({"text": texts}), np.array(labels)


@cache
def tongues() -> data.Data:
    """Words of seven languages, drawn together; which language it is."""
    source = np.random.default_rng(5)
    texts, labels = [], []
    for tongue, sentence in SENTENCES.items():
        words = sentence.split()
        for _ in range(60):
            texts.append("  ".join(source.choice(words, source.integers(2, 12))))
            labels.append(tongue)
    return pd.DataFrame({"text": texts}), np.array(labels)


@cache
def remarks() -> data.Data:
    """Penguins, with a remark on each."""
    x, species = data.complete_penguins()
    remark = "a " + x["sex"] + " seen on " + x["island"].str.upper() + ", in the year " + x["year"].astype(str)
    return x.assign(remark=remark), species


@cache
def penguin_records() -> data.Data:
    x, species = data.complete_penguins()
    return x, species


class OfTexts:
    """Fits a model on the texts themselves, as users do."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, x: Any, y: Any) -> Any:
        return self.model.fit(x["text"].tolist(), y)


class OfRecords:
    """Fits a model on dictionaries."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, x: Any, y: Any) -> Any:
        return self.model.fit(x.to_dict("records"), y)


def texts(vectorizer: Callable[..., Any], *steps: Any, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        tail = [sklearn.clone(step) for step in steps] or [linear_model.LogisticRegression()]
        return OfTexts(make_pipeline(vectorizer(**options), *tail))

    return make


def word_cases() -> dict[str, Case]:
    tfidf, count = TfidfVectorizer, CountVectorizer
    models = {
        "tf-idf": texts(tfidf),
        "counts": texts(count),
        "binary": texts(count, binary=True),
        "bigrams": texts(tfidf, ngram_range=(1, 2), min_df=2),
        "bigrams-alone": texts(count, ngram_range=(2, 2)),
        "trigrams": texts(count, naive_bayes.MultinomialNB(), ngram_range=(1, 3), max_features=300),
        "stop-words": texts(tfidf, stop_words="english"),
        "stop-words-bigrams": texts(tfidf, stop_words=["the", "of", "is", "and"], ngram_range=(1, 2)),
        "cased": texts(tfidf, lowercase=False, ngram_range=(1, 2)),
        "sublinear": texts(tfidf, sublinear_tf=True, norm="l1"),
        "no-norm": texts(tfidf, norm=None, use_idf=False),
        "smooth": texts(tfidf, smooth_idf=False, binary=True),
        "single": texts(tfidf, dtype=np.float32),
        "short-words": texts(tfidf, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2)),
        "long-words": texts(count, token_pattern=r"\b\w{4,}\b"),
        "latin-words": texts(count, token_pattern=r"[a-zA-Z']+"),
        "parts": texts(count, token_pattern=r"\S+"),
        "transformer": texts(count, TfidfTransformer(), svm.LinearSVC()),
        "svc": texts(tfidf, svm.LinearSVC()),
        "kernel": texts(tfidf, svm.SVC(), max_features=200),
        "neighbours": texts(tfidf, KNeighborsClassifier(), max_features=200),
        "sgd": texts(tfidf, linear_model.SGDClassifier(random_state=0)),
        "bayes": texts(count, naive_bayes.ComplementNB()),
        "components": texts(tfidf, TruncatedSVD(8, random_state=0), linear_model.LogisticRegression()),
        "calibrated": lambda: OfTexts(CalibratedClassifierCV(make_pipeline(tfidf(), svm.LinearSVC()), cv=3)),
        "boosted": texts(tfidf, xgboost.XGBClassifier(n_estimators=8, n_jobs=1), max_features=200),
        "vocabulary": texts(count, vocabulary=["wine", "Cancer", "blood pressure", "data"], ngram_range=(1, 2)),
    }
    cases = {f"texts/{name}": Case(model, paragraphs) for name, model in models.items()}
    several = {
        "tf-idf": texts(tfidf),
        "bigrams": texts(count, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b"),
        "cased": texts(tfidf, lowercase=False),
        "parts": texts(count, token_pattern=r"\S+"),
        "plain": texts(tfidf, strip_accents="unicode", ngram_range=(1, 2)),
        "ascii": texts(count, strip_accents="ascii", lowercase=False),
    }
    return {**cases, **{f"tongues/{name}": Case(model, tongues) for name, model in several.items()}}


def letter_cases() -> dict[str, Case]:
    tfidf, count = TfidfVectorizer, CountVectorizer
    return {
        "texts/letters": Case(texts(tfidf, analyzer="char", ngram_range=(1, 3), max_features=400), paragraphs),
        "texts/letters-in-words": Case(texts(tfidf, analyzer="char_wb", ngram_range=(2, 4), min_df=3), paragraphs),
        "tongues/letters": Case(texts(count, analyzer="char", ngram_range=(1, 2)), tongues),
        "tongues/letters-cased": Case(texts(count, analyzer="char", lowercase=False), tongues),
        "tongues/letters-in-words": Case(texts(tfidf, analyzer="char_wb", ngram_range=(1, 3)), tongues),
        "tongues/letters-plain": Case(texts(count, analyzer="char", strip_accents="unicode"), tongues),
        "tongues/letters-ascii": Case(texts(count, analyzer="char_wb", strip_accents="ascii"), tongues),
    }


def hashed_cases() -> dict[str, Case]:
    """All but the `small` ones in more columns than a row is written out for."""
    descent, unsigned = linear_model.SGDClassifier(loss="log_loss", random_state=0), {"alternate_sign": False}

    def hashed(*steps: Any, n_features: int = 2**18, **options: Any) -> Callable[[], Any]:
        return texts(HashingVectorizer, *(steps or [descent]), n_features=n_features, **options)

    models = {
        "words": texts(HashingVectorizer, descent),
        "logistic": hashed(linear_model.LogisticRegression(max_iter=5)),
        "hinge": hashed(linear_model.SGDClassifier(random_state=0)),
        "svc": hashed(svm.LinearSVC()),
        "bigrams": hashed(ngram_range=(1, 2)),
        "bigrams-alone": hashed(ngram_range=(2, 2), stop_words="english"),
        "unsigned": hashed(**unsigned),
        "binary": hashed(binary=True, norm=None),
        "no-norm": hashed(norm=None),
        "l1": hashed(norm="l1", ngram_range=(1, 3)),
        "single": hashed(dtype=np.float32),
        "letters": hashed(analyzer="char", ngram_range=(1, 3)),
        "letters-in-words": hashed(analyzer="char_wb", ngram_range=(3, 5)),
        "tf-idf": hashed(TfidfTransformer(), descent, norm=None, **unsigned),
        "sublinear-counts": hashed(TfidfTransformer(sublinear_tf=True, norm="l1"), descent, norm=None, **unsigned),
        "bayes": hashed(naive_bayes.MultinomialNB(), norm=None, **unsigned),
        "complement": hashed(naive_bayes.ComplementNB(), **unsigned),
        "bernoulli": hashed(naive_bayes.BernoulliNB()),
        "components": hashed(
            TfidfTransformer(), TruncatedSVD(8, random_state=0), Normalizer(copy=False), descent, norm=None
        ),
        "calibrated": lambda: OfTexts(
            CalibratedClassifierCV(make_pipeline(HashingVectorizer(n_features=2**18), svm.LinearSVC()), cv=3)
        ),
        "small": hashed(n_features=64),
        "small-odd": hashed(n_features=100, binary=True),
        "small-unsigned": hashed(n_features=50, norm="l1", **unsigned),
        "small-forest": hashed(RandomForestClassifier(n_estimators=8, random_state=0), n_features=2**10),
        "small-boosted": hashed(xgboost.XGBClassifier(n_estimators=8, n_jobs=1), n_features=128),
        "small-neural": hashed(MLPClassifier([8], max_iter=20, random_state=0), n_features=256),
    }
    cases = {f"texts/hashed-{name}": Case(model, paragraphs) for name, model in models.items()}
    several = {
        "words": hashed(),
        "bigrams": hashed(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", norm=None),
        "cased": hashed(lowercase=False),
        "parts": hashed(token_pattern=r"\S+"),
        "plain": hashed(strip_accents="unicode"),
        "ascii": hashed(strip_accents="ascii", **unsigned),
        "letters": hashed(analyzer="char", ngram_range=(1, 2), binary=True),
        "letters-in-words": hashed(analyzer="char_wb", ngram_range=(2, 4)),
        "small": hashed(n_features=2**14, ngram_range=(1, 2)),
    }
    return {**cases, **{f"tongues/hashed-{name}": Case(model, tongues) for name, model in several.items()}}


def mixed_cases() -> dict[str, Case]:
    def with_remark(*others: Any) -> Any:
        columns = compose.ColumnTransformer([("remark", TfidfVectorizer(), "remark"), *others])
        return make_pipeline(columns, linear_model.LogisticRegression(max_iter=300))

    def hashed(step: Any, n_features: int = 2**18) -> Any:
        hashing = HashingVectorizer(n_features=n_features)
        columns = [("remark", hashing, "remark"), ("numbers", StandardScaler(), MEASURES), ("again", hashing, "island")]
        return make_pipeline(compose.ColumnTransformer(columns), step)

    union = FeatureUnion([("words", TfidfVectorizer()), ("letters", CountVectorizer(analyzer="char"))])
    hashes = FeatureUnion(
        [("words", HashingVectorizer()), ("letters", HashingVectorizer(analyzer="char", n_features=2**18))]
    )
    small = FeatureUnion(
        [("words", HashingVectorizer(n_features=128)), ("letters", CountVectorizer(analyzer="char"))],
        transformer_weights={"words": 2.0},
    )
    return {
        "remarks/hashed": Case(lambda: hashed(svm.LinearSVC()), remarks),
        "remarks/hashed-small": Case(lambda: hashed(DecisionTreeClassifier(random_state=0), n_features=512), remarks),
        "texts/hashed-union": Case(lambda: OfTexts(make_pipeline(hashes, svm.LinearSVC())), paragraphs),
        "texts/hashed-union-weighed": Case(
            lambda: OfTexts(make_pipeline(hashes, TfidfTransformer(), naive_bayes.BernoulliNB())), paragraphs
        ),
        "texts/hashed-small-union": Case(
            lambda: OfTexts(make_pipeline(small, linear_model.LogisticRegression())), paragraphs
        ),
        "remarks/column": Case(lambda: with_remark(("numbers", "passthrough", MEASURES)), remarks),
        "remarks/alone": Case(with_remark, remarks),
        "remarks/boosted": Case(
            lambda: make_pipeline(
                compose.ColumnTransformer(
                    [("remark", CountVectorizer(ngram_range=(1, 2)), "remark"), ("numbers", "passthrough", MEASURES)]
                ),
                xgboost.XGBRegressor(n_estimators=8, n_jobs=1),
            ),
            lambda: (remarks()[0], remarks()[0]["body_mass_g"]),
        ),
        "texts/union": Case(lambda: OfTexts(make_pipeline(union, linear_model.LogisticRegression())), paragraphs),
        "records/logistic": Case(
            lambda: OfRecords(make_pipeline(DictVectorizer(), linear_model.LogisticRegression(max_iter=300))),
            penguin_records,
        ),
        "records/dense": Case(
            lambda: OfRecords(make_pipeline(DictVectorizer(sparse=False), linear_model.LogisticRegression())),
            penguin_records,
        ),
    }


def refusals() -> dict[str, Case]:
    return {
        "texts/own-code": Case(
            texts(CountVectorizer, preprocessor=strip_tags), paragraphs, "a preprocessor of its own"
        ),
        "texts/own-accents": Case(
            texts(CountVectorizer, strip_accents=strip_tags), paragraphs, "strip_accents of its own"
        ),
        "texts/hashed-wide-forest": Case(
            texts(HashingVectorizer, RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0)),
            paragraphs,
            "what follows here needs every column",
        ),
        "texts/hashed-long-letters": Case(
            texts(HashingVectorizer, analyzer="char_wb", ngram_range=(4, 6)),
            paragraphs,
            "words shorter than its n-grams",
        ),
        "texts/odd-pattern": Case(texts(CountVectorizer, token_pattern=r"\w+-\w+"), paragraphs, "token_pattern"),
    }


def cases() -> dict[str, Case]:
    return {**word_cases(), **letter_cases(), **hashed_cases(), **mixed_cases(), **refusals()}
