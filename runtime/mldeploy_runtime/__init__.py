"""The server inside the image: answers predictions of one bundle over HTTP."""

__version__ = "0.1.0"
