"""The settings a release is started with. They are kept with it, so that a rollback brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from mldeploy.config import AppConfig, Limits
from mldeploy.errors import MldeployError
from mldeploy.host.commands import files

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder


class Settings(Limits):
    """What a release's container is created from."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    image: str


def settings_for(app: AppConfig, image: str) -> Settings:
    return Settings(image=image, **app.model_dump(exclude={"name"}))


def write_settings(executor: Executor, folder: AppFolder, release: str, settings: Settings) -> None:
    executor.run(files.write(folder.settings(release)), stdin=settings.model_dump_json(by_alias=True) + "\n")


def read_settings(executor: Executor, folder: AppFolder, release: str) -> Settings:
    text = executor.run(files.read(folder.settings(release))).stdout
    try:
        return Settings.model_validate_json(text)
    except ValidationError as failure:
        raise MldeployError(
            f"the settings of {release} on {executor.name} cannot be read",
            cause=f"{folder.settings(release)} is missing or damaged",
            remedy="Roll back to another release; `mldeploy releases` lists them.",
        ) from failure
