"""From a bundle to an image in a registry."""

from mldeploy.image.build import Image, build_image
from mldeploy.image.eject import eject
from mldeploy.image.inspect import ImageFacts, inspect_image
from mldeploy.image.push import push_image
from mldeploy.image.source import RuntimeSource, runtime_source

__all__ = [
    "Image",
    "ImageFacts",
    "RuntimeSource",
    "build_image",
    "eject",
    "inspect_image",
    "push_image",
    "runtime_source",
]
