"""Every error faststyle raises on purpose.

FaststyleError
├── ImageError            a picture cannot be read, written or stylized
├── OutputExistsError     the result would overwrite a file
├── InputError            what was named holds no pictures, or cannot be told apart
├── OptionError           an option has a value that makes no sense
├── ModelError            an ONNX file is missing, damaged or not ours
│   └── UnknownStyleError no bundled style has that name
├── DeviceError           the requested device cannot be used
├── MissingPackageError   a package that is needed is not installed
└── TrainingError
    ├── DataError         the content folder or the style picture is unusable
    ├── WeightsError      the VGG weights are missing or do not fit
    ├── CheckpointError   a checkpoint is missing, damaged or does not fit
    ├── DivergenceError   the losses became NaN, infinite or much higher
    └── ExportError       the exported file does not reproduce the network

Each message is one line that names the file or option and the remedy, fit to be
shown to a person as it stands.
"""

from __future__ import annotations


class FaststyleError(Exception):
    """Base class: catch this to catch everything faststyle raises on purpose."""


class ImageError(FaststyleError):
    """A picture cannot be read, written or stylized."""


class OutputExistsError(FaststyleError):
    """The result would overwrite an existing file."""


class InputError(FaststyleError):
    """What was named to be stylized holds no pictures, or cannot go where it should."""


class OptionError(FaststyleError):
    """An option, such as the strength, has a value that makes no sense."""


class ModelError(FaststyleError):
    """An ONNX file is missing, damaged, or does not follow the faststyle contract."""


class UnknownStyleError(ModelError):
    """No bundled style has that name."""


class DeviceError(FaststyleError):
    """The requested device cannot be used on this machine."""


class MissingPackageError(FaststyleError):
    """A package that is needed, such as one of an optional extra, is not installed."""


class TrainingError(FaststyleError):
    """Training or export cannot go on."""


class DataError(TrainingError):
    """The content folder or the style picture is unusable."""


class WeightsError(TrainingError):
    """VGG weights are missing, damaged, or do not reach a requested layer."""


class CheckpointError(TrainingError):
    """A checkpoint is missing, damaged, or belongs to another run."""


class DivergenceError(TrainingError):
    """The losses became NaN, infinite or much higher; the last good checkpoint is kept."""


class ExportError(TrainingError):
    """The exported file does not reproduce the trained network."""
