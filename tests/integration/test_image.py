"""Images, built and run by the real Docker Engine."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.config import ImageConfig
from mldeploy.errors import MldeployError, NotProvenError, UnreachableError
from mldeploy.image import Image, build_image
from mldeploy.image.engine import connect
from tests.integration.bundles import ROWS, linear_bundle
from tests.rig import images as rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

SECRET = "planted-secret-9f3a"  # noqa: S105


@pytest.fixture(scope="session")
def settings() -> ImageConfig:
    return ImageConfig(base=rig.python())


@pytest.fixture(scope="session")
def engine() -> DockerClient:
    return connect()


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def built(settings: ImageConfig, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    bundle = linear_bundle(tmp_path_factory.mktemp("build"), name="built")
    (bundle.path / "report" / "secret.txt").write_text(SECRET)
    image = build_image(bundle, settings)
    yield image
    engine.images.remove(image.id, force=True)


def layers(engine: DockerClient, image_id: str) -> list[tarfile.TarFile]:
    """Every layer of an image, lowest first."""
    saved = io.BytesIO(b"".join(engine.images.get(image_id).save()))
    archive = tarfile.open(fileobj=saved)  # noqa: SIM115
    names = json.loads(_read(archive, "manifest.json"))[0]["Layers"]
    return [tarfile.open(fileobj=io.BytesIO(_read(archive, name))) for name in names]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file
    return file.read()


def diff_ids(engine: DockerClient, image_id: str) -> list[str]:
    attributes: dict[str, Any] = engine.images.get(image_id).attrs
    return list(attributes["RootFS"]["Layers"])


def test_the_golden_rows_were_answered_inside_the_image_before_it_got_its_name(
    built: Image, engine: DockerClient
) -> None:
    assert built.golden_rows == len(ROWS)
    assert engine.images.get(built.reference).id == built.id


def test_an_image_whose_golden_rows_differ_is_not_built(
    settings: ImageConfig, engine: DockerClient, tmp_path: Path
) -> None:
    bundle = linear_bundle(tmp_path, name="wrong", weight=2.0, golden_weight=2.5)
    with pytest.raises(NotProvenError, match="golden rows") as failure:
        build_image(bundle, settings)
    assert "2 of 3 golden rows do not match" in failure.value.cause
    assert not engine.images.list("wrong")
    assert not engine.images.list(filters={"label": f"io.mldeploy.bundle-id={bundle.manifest.bundle_id}"})


def test_the_same_bundle_builds_nothing_again(built: Image, settings: ImageConfig, tmp_path: Path) -> None:
    again = build_image(linear_bundle(tmp_path, name="built"), settings)
    assert not again.built
    assert again.id == built.id


def test_another_model_adds_its_layer_to_the_same_ones(
    built: Image, settings: ImageConfig, engine: DockerClient, tmp_path: Path
) -> None:
    other = build_image(linear_bundle(tmp_path, name="other", weight=7.0), settings)
    try:
        assert other.built
        one, two = diff_ids(engine, built.id), diff_ids(engine, other.id)
        assert one[:-1] == two[:-1]
        assert one[-1] != two[-1]
    finally:
        engine.images.remove(other.id, force=True)


def test_the_bundle_is_the_top_layer_and_its_report_is_in_none(built: Image, engine: DockerClient) -> None:
    archives = layers(engine, built.id)
    files = [member.name for member in archives[-1] if member.isfile()]
    assert files == [f"bundle/{name}" for name in ("baseline.json", "golden.json", "manifest.json", "model.onnx")]
    for archive in archives:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            assert content is None or SECRET.encode() not in content.read(), member.name


def test_the_image_says_what_it_is_and_runs_as_an_ordinary_user(built: Image, engine: DockerClient) -> None:
    config = engine.images.get(built.id).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python3", "-m", "mldeploy_runtime"]
    assert config["Labels"]["org.opencontainers.image.title"] == "built"
    assert config["Labels"]["io.mldeploy.bundle-id"] == built.bundle_id


def test_without_docker_the_failure_says_so(
    settings: ImageConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(UnreachableError, match="Docker does not answer"):
        build_image(linear_bundle(tmp_path), settings)


def test_a_base_image_that_cannot_be_pulled_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9/none"):
        build_image(linear_bundle(tmp_path), ImageConfig(base="127.0.0.1:9/none:1"))


def test_a_base_image_without_python_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MldeployError, match="base image") as failure:
        build_image(linear_bundle(tmp_path), ImageConfig(base=rig.trixie()))
    assert "no Python" in failure.value.cause
