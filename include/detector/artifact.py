"""One loader for models of this project and of the built-in Object Detection algorithm.

Both are a training symbol (``model_algo_1-symbol.json``) with inputs ``data`` and ``label`` and the node
names that the SSD example of MXNet gave them, the parameters (``model_algo_1-0000.params``; or the only
``*.params`` file by another name, as some tools number the last epoch) and ``hyperparams.json``, a flat
object of strings. The training symbol cannot be bound without a label; the part that serves is cut out of it,
see :class:`SsdModel`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mxnet as mx

from include.formats import archive as archives

from .anchors import TargetRules
from .errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "model_algo_1"
SYMBOL_FILE = f"{PREFIX}-symbol.json"
PARAMETERS_FILE = f"{PREFIX}-0000.params"
HYPERPARAMETERS_FILE = "hyperparams.json"
_DEFAULT_SIDE = 300


@dataclass(frozen=True)
class SsdModel:
    """A training symbol with its parameters.

    Parameters
    ----------
    symbol
        The training symbol, kept as it is, so that a continued model keeps its original graph.
    arguments
        Trained weights by name.
    states
        Auxiliary states (running means and variances) by name.
    hyperparameters
        ``hyperparams.json``.
    """

    symbol: Any
    arguments: dict[str, Any]
    states: dict[str, Any]
    hyperparameters: Mapping[str, str]

    @property
    def side(self) -> int:
        """Side of the square input in pixels."""
        return int(self.hyperparameters.get("image_shape", _DEFAULT_SIDE))

    def heads(self) -> tuple[Any, Any, Any]:
        """Return the symbols of class logits, box offsets and anchors."""
        probability, offsets, anchors = self._detection().get_children()
        return probability.get_children()[0], offsets, anchors

    def inference_symbol(self) -> Any:
        """Return the detection output (n, anchors, 6) of ``data`` alone.

        MultiBoxDetection is rebuilt with its old attributes over a plain softmax of the logits, since
        SoftmaxOutput would drag in the target and with it the label.
        """
        logits, offsets, anchors = self.heads()
        attributes = self._detection().attr_dict()["detection"]
        given: dict[str, Any] = {
            "nms_threshold": float(attributes.get("nms_threshold", 0.5)),
            "force_suppress": attributes.get("force_suppress", "False") in ("True", "1"),
            "variances": _floats(attributes.get("variances", "(0.1,0.1,0.2,0.2)")),
            "nms_topk": int(attributes.get("nms_topk", -1)),
            "threshold": float(attributes.get("threshold", 0.01)),
            "clip": attributes.get("clip", "True") in ("True", "1"),
        }
        probability = mx.sym.softmax(logits, axis=1)
        return mx.sym.contrib.MultiBoxDetection(probability, offsets, anchors, name="detection", **given)

    def target_rules(self) -> TargetRules:
        """Return the attributes of the symbol's MultiBoxTarget."""
        attributes = self.symbol.attr_dict().get("multibox_target", {})
        first, second, third, fourth = _floats(attributes.get("variances", "(0.1,0.1,0.2,0.2)"))
        return TargetRules(
            overlap_threshold=float(attributes.get("overlap_threshold", 0.5)),
            negative_mining_ratio=float(attributes.get("negative_mining_ratio", 3)),
            negative_mining_threshold=float(attributes.get("negative_mining_thresh", 0.5)),
            minimum_negatives=int(attributes.get("minimum_negative_samples", 0)),
            variances=(first, second, third, fourth),
        )

    def _detection(self) -> Any:
        internals = self.symbol.get_internals()
        if "detection_output" not in internals.list_outputs():
            raise ArtifactError(
                "The model's symbol has no node 'detection'; it is not one of SSD object detection."
            )
        return internals["detection_output"]


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.strip("()[] ").split(",") if part.strip())


def save(model: SsdModel, directory: Path) -> None:
    """Write the three files of an artifact; each appears whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    parameters = {f"arg:{name}": model.arguments[name] for name in sorted(model.arguments)}
    parameters |= {f"aux:{name}": model.states[name] for name in sorted(model.states)}
    _write_whole(directory / SYMBOL_FILE, model.symbol.save)
    _write_whole(directory / PARAMETERS_FILE, lambda path: mx.nd.save(path, parameters))
    text = json.dumps(dict(sorted(model.hyperparameters.items())))
    _write_whole(directory / HYPERPARAMETERS_FILE, lambda path: _write_text(path, text))


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def _write_whole(path: Path, write: Any) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    write(str(unfinished))
    os.replace(unfinished, path)


def load(directory: Path) -> SsdModel:
    """Read a model from a directory holding the unpacked files or a ``model.tar.gz``.

    Raises
    ------
    ArtifactError
        The files are missing, damaged or of another algorithm.
    """
    archive = directory / "model.tar.gz"
    if archive.is_file() and not list(directory.glob("*.params")):
        unpack(archive, directory)
    parameters = _only(directory, "*.params")
    symbol = _only(directory, "*-symbol.json")
    try:
        graph = mx.sym.load(str(symbol))
        stored = mx.nd.load(str(parameters))
    except mx.base.MXNetError as error:
        raise ArtifactError(f"The model cannot be read: {str(error).splitlines()[0]}.") from error
    if not isinstance(stored, dict):
        raise ArtifactError(f"{parameters.name} holds no named parameters.")
    arguments = {name[4:]: value for name, value in stored.items() if name.startswith("arg:")}
    states = {name[4:]: value for name, value in stored.items() if name.startswith("aux:")}
    model = SsdModel(graph, arguments, states, _hyperparameters(directory))
    _check_complete(model)
    return model


def unpack(archive: Path, directory: Path) -> None:
    """Take the model's files out of ``model.tar.gz``, by their base names; everything else stays inside.

    Raises
    ------
    ArtifactError
        The archive is damaged, or holds what :mod:`include.formats.archive` refuses.
    """
    try:
        archives.unpack(archive, directory, _wanted)
    except (OSError, archives.ArchiveError) as error:
        raise ArtifactError(f"{archive.name} of the model is no usable tar.gz archive: {error}.") from error


def _wanted(member: str) -> str | None:
    name = os.path.basename(member)
    # macOS packs a file "._name" with each file's attributes.
    is_models = name == HYPERPARAMETERS_FILE or name.endswith((".params", "-symbol.json"))
    return name if is_models and not name.startswith("._") else None


def _only(directory: Path, pattern: str) -> Path:
    found = sorted(directory.glob(pattern))
    if len(found) != 1:
        raise ArtifactError(f"A model has exactly one {pattern}; {len(found)} were found.")
    return found[0]


def _hyperparameters(directory: Path) -> dict[str, str]:
    path = directory / HYPERPARAMETERS_FILE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{HYPERPARAMETERS_FILE} of the model is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{HYPERPARAMETERS_FILE} of the model does not hold a JSON object.")
    return {str(name): str(value) for name, value in content.items()}


def _check_complete(model: SsdModel) -> None:
    needed = set(model.inference_symbol().list_arguments()) - {"data"}
    states = set(model.inference_symbol().list_auxiliary_states())
    missing = sorted((needed - set(model.arguments)) | (states - set(model.states)))
    if missing:
        raise ArtifactError(f"The model's parameters lack {', '.join(missing[:3])} ({len(missing)} in all).")
