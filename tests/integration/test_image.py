"""Images, built and run by the real Docker Engine."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.config import ImageConfig
from mldeploy.errors import MldeployError, NotProvenError, UnreachableError
from mldeploy.image import Image, build_image, eject, runtime_source
from mldeploy.image.base import find_base
from mldeploy.image.build import bundle_layer
from mldeploy.image.engine import connect
from mldeploy.image.prove import prove_golden_rows
from mldeploy.image.runtime import build_runtime
from tests.integration.bundles import ROWS, linear_bundle
from tests.integration.command import mldeploy
from tests.rig import images as rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

UNPACKED_LIMIT = 140e6
COMPRESSED_LIMIT = 50e6
SHELLS_INSTALLERS_COMPILERS = {
    "sh",
    "bash",
    "dash",
    "busybox",
    "apt-get",
    "dpkg",
    "pip",
    "pip3",
    "uv",
    "cc",
    "gcc",
    "ld",
}
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


def layers(engine: DockerClient, image_id: str) -> list[bytes]:
    """Every layer of an image as an uncompressed tar archive, lowest first."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.images.get(image_id).save()))) as archive:
        names = json.loads(_read(archive, "manifest.json"))[0]["Layers"]
        return [_read(archive, name) for name in names]


def contents(layer: bytes) -> dict[str, bytes]:
    """The files of a layer."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name: _read(archive, member.name) for member in archive if member.isfile()}


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
    *below, top = layers(engine, built.id)
    assert list(contents(top)) == [
        f"bundle/{name}" for name in ("baseline.json", "golden.json", "manifest.json", "model.onnx")
    ]
    assert not [layer for layer in (*below, top) if SECRET.encode() in layer]


def test_the_image_says_what_it_is_and_runs_as_an_ordinary_user(built: Image, engine: DockerClient) -> None:
    config = engine.images.get(built.id).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python3", "-m", "mldeploy_runtime"]
    assert config["Labels"]["org.opencontainers.image.title"] == "built"
    assert config["Labels"]["io.mldeploy.bundle-id"] == built.bundle_id


def names(engine: DockerClient, image: Image) -> set[str]:
    return {name for layer in layers(engine, image.id) for name in contents(layer)}


def test_the_image_is_small_and_holds_no_shell_no_installer_and_no_compiler(built: Image, engine: DockerClient) -> None:
    assert built.size < UNPACKED_LIMIT
    assert built.composition.size < COMPRESSED_LIMIT
    held = names(engine, built)
    assert not {name.rpartition("/")[2] for name in held} & SHELLS_INSTALLERS_COMPILERS
    assert not [name for name in held if "/pip/" in name or name.endswith(".py")]


def test_the_layers_are_the_same_when_built_elsewhere_at_another_time(
    built: Image,
    settings: ImageConfig,
    engine: DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runtime = build_runtime(engine, find_base(engine, settings.base, built.platform), runtime_source())
    assert [layer.diff_id for layer in runtime.layers] == diff_ids(engine, built.id)[:-1]
    bundle = bundle_layer(linear_bundle(tmp_path, name="built"))
    assert bundle.diff_id == diff_ids(engine, built.id)[-1]


def test_a_debug_image_keeps_a_shell(settings: ImageConfig, engine: DockerClient, tmp_path: Path) -> None:
    image = build_image(linear_bundle(tmp_path, name="debug"), settings, debug=True)
    try:
        assert image.tag.endswith("-debug")
        assert image.golden_rows == len(ROWS)
        said = engine.containers.run(image.id, entrypoint=["sh", "-c", "echo $PYTHONPATH"], command=[], remove=True)
        assert said.strip() == b"/opt/mldeploy"
    finally:
        engine.images.remove(image.id, force=True)


def test_python_under_usr_local_makes_an_image_as_well(
    settings: ImageConfig, engine: DockerClient, tmp_path: Path
) -> None:
    """The official images have it there."""
    recipe = f"""
        FROM {settings.base}
        RUN mv /usr/bin/python3.13 /usr/local/bin/ && rm /usr/bin/python3 && ln -s python3.13 /usr/local/bin/python3 \\
         && mkdir -p /usr/local/lib/python3.13 && cp -a /usr/lib/python3.13/. /usr/local/lib/python3.13/ \\
         && rm -r /usr/lib/python3.13
    """
    engine.images.build(fileobj=io.BytesIO(recipe.encode()), tag="mldeploy-test/usr-local:1", rm=True)
    image = build_image(linear_bundle(tmp_path, name="local"), ImageConfig(base="mldeploy-test/usr-local:1"))
    try:
        assert image.golden_rows == len(ROWS)
        assert image.size < UNPACKED_LIMIT
        assert "usr/local/bin/python3.13" in names(engine, image)
    finally:
        engine.images.remove(image.id, force=True)
        engine.images.remove("mldeploy-test/usr-local:1", force=True)


def test_an_ejected_context_builds_an_image_that_answers_its_golden_rows(
    settings: ImageConfig, engine: DockerClient, tmp_path: Path
) -> None:
    bundle = linear_bundle(tmp_path, name="ejected")
    folder = eject(bundle, settings)
    assert (folder / "requirements.lock").read_text() == runtime_source().lock.read_text()
    image, _ = engine.images.build(path=str(folder), tag="ejected:1", rm=True)
    try:
        assert prove_golden_rows(engine, str(image.id)) == len(ROWS)
        config = image.attrs["Config"]
        assert (config["User"], config["StopSignal"]) == ("10001:10001", "SIGTERM")
        assert config["Labels"]["io.mldeploy.bundle-id"] == bundle.manifest.bundle_id
    finally:
        engine.images.remove("ejected:1", force=True)


def test_the_packages_in_the_image_are_listed_beside_the_bundle(
    built: Image, settings: ImageConfig, tmp_path: Path
) -> None:
    bundle = linear_bundle(tmp_path, name="built")
    assert build_image(bundle, settings).id == built.id
    document = json.loads((bundle.path / "report" / "sbom.cdx.json").read_text())
    listed = {component["purl"].split("@")[0] for component in document["components"]}
    assert {"pkg:pypi/onnxruntime", "pkg:pypi/numpy", "pkg:deb/debian/libc6"} <= listed
    assert not {"pkg:deb/debian/bash", "pkg:deb/debian/apt", "pkg:pypi/pip", "pkg:pypi/protobuf"} & listed


def test_an_image_can_be_asked_where_it_came_from(built: Image, tmp_path: Path) -> None:
    facts = mldeploy(tmp_path, "inspect", built.reference, "--json").outcome
    assert (facts["name"], facts["bundle_id"], facts["platform"]) == (built.name, built.bundle_id, built.platform)
    bundle = linear_bundle(tmp_path, name="built")
    assert mldeploy(tmp_path, "inspect", str(bundle.path), "--json").outcome["bundle_id"] == built.bundle_id
    foreign = mldeploy(tmp_path, "inspect", rig.python())
    assert (foreign.exit_code, "not built by mldeploy" in foreign.stderr) == (2, True)
    assert mldeploy(tmp_path, "inspect", "no-such-image:1").exit_code == 2


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
