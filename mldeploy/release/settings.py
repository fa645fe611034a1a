"""The settings a release is started with. They are kept with it, so that a rollback brings them back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from mldeploy.config import AppConfig, Limits, ServingConfig
from mldeploy.errors import MldeployError
from mldeploy.host.commands import files

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder
    from mldeploy.image.store import StoredModel

# The groups of the server's settings under [app], and what their variables begin with.
GROUPS = {"": "", "requests": "", "predictions": "PREDICTION_LOG_", "jwt": "JWT_"}


READY_SECONDS = 60
SLOWEST_FETCH = 1e6
"""What a host must manage of a model that is not in its image, in bytes a second."""


class Settings(Limits):
    """What a release's container is created from.

    `fetch_seconds` is how long a model that is not in the image may take to come.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    image: str
    public: bool = False
    prediction_log: bool = True
    stored_model: bool = False
    fetch_seconds: float | None = None
    environment: dict[str, str] = Field(default_factory=dict)

    @property
    def ready_seconds(self) -> float:
        """How long the release may take to become ready."""
        return READY_SECONDS + (self.fetch_seconds or 0)


def settings_for(app: AppConfig, image: str, stored: StoredModel | None = None) -> Settings:
    """The settings of a new release; `stored` is its model, where that is not in the image."""
    return Settings(
        image=image,
        stored_model=stored is not None,
        fetch_seconds=stored.size / SLOWEST_FETCH if stored else None,
        public=app.public,
        prediction_log=app.prediction_log,
        environment=environment_of(app),
        **app.model_dump(include=set(Limits.model_fields)),
    )


def environment_of(serving: ServingConfig) -> dict[str, str]:
    """The server's settings as it reads them: `[app] threshold` as MLDEPLOY_THRESHOLD, and so on.

    What is not set is left to the server's default.
    """
    given = serving.model_dump(include=set(ServingConfig.model_fields))
    groups = {name: given.pop(name) for name in GROUPS if name} | {"": given}
    return {
        f"MLDEPLOY_{GROUPS[group]}{key.upper()}": _text(value)
        for group, values in groups.items()
        for key, value in values.items()
        if value is not None
    }


def _text(value: Any) -> str:
    match value:
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case tuple() | list():
            return ",".join(value)
        case _:
            return str(value)


def write_settings(executor: Executor, folder: AppFolder, release: str, settings: Settings) -> None:
    text = settings.model_dump_json(by_alias=True, exclude_none=True)
    executor.run(files.write(folder.settings(release)), stdin=text + "\n")


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
