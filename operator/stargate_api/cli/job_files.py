"""Reads a job from a file or standard input: JSON or YAML, a manifest or a training configuration."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from stargate_api import (
    InvalidConfig,
    Problem,
)
from stargate_api._client import training_config


def read_job(file: str) -> dict[str, Any]:
    """The document in the file, checked before the command connects to a cluster."""
    document = _read(file)
    if training_config.is_manifest(document):
        training_config.read_manifest(document)
    else:
        training_config.read(document)
    return document


def _read(file: str) -> dict[str, Any]:
    """Reads JSON as JSON, not as YAML, because YAML refuses tabs."""
    name = "stdin" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = json.loads(text) if text.lstrip().startswith("{") else _only_document(text)
    except OSError as error:
        raise invalid_input(name, f"it cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise invalid_input(name, f"it is neither JSON nor YAML: {error}") from None
    if not isinstance(found, dict):
        raise invalid_input(name, "it must hold a StargateJob or a training config")
    return found


def _only_document(text: str) -> Any:
    documents = [document for document in yaml.safe_load_all(text) if document is not None]
    if len(documents) > 1:
        raise ValueError(f"{len(documents)} documents; submit one job at a time")
    return documents[0] if documents else None


def invalid_input(what: str, message: str) -> InvalidConfig:
    return InvalidConfig([Problem("", message)], what)
