"""How a smear looks under the microscope: stain, focus and light, on an ordinary night and on a drifted one.

Colour follows Beer and Lambert: each stain absorbs red, green and blue light by its own coefficients, so
overlapping cells darken each other as they do on a slide. Drift changes these coefficients (another batch of
stain), the focus (blur), and the lamp (exposure, colour, vignette). Geometry, and with it the truth, never
changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]

# Absorption of (red, green, blue) per unit of stained thickness: eosin colours red cells pink, azure colours
# nuclei purple.
EOSIN = (0.10, 0.42, 0.30)
AZURE = (0.95, 1.30, 0.42)
PLASMA = (246.0, 226.0, 222.0)
# Another manufacturer's stain, seen through a yellowed filter: red cells turn brownish grey, nuclei turn
# blue-green.
DRIFTED_EOSIN = (0.30, 0.30, 0.46)
DRIFTED_AZURE = (1.25, 0.72, 0.58)
DRIFTED_PLASMA = (214.0, 218.0, 178.0)


@dataclass(frozen=True)
class Look:
    """Stain, focus and light of one image.

    `blur` is the standard deviation of the focus in units of the image's shorter side; `noise` the standard
    deviation of the sensor in grey levels; `vignette` the share of light lost in the corners.
    """

    eosin: tuple[float, float, float]
    azure: tuple[float, float, float]
    plasma: tuple[float, float, float]
    blur: float
    light: float
    vignette: float
    noise: float


def clean_look(rng: np.random.Generator) -> Look:
    """The laboratory's usual look, with the small differences that any two slides have."""
    return _look(rng, share=0.0, blur=(0.0, 0.004), light=(0.92, 1.04), vignette=(0.0, 0.12))


def drifted_look(rng: np.random.Generator) -> Look:
    """The look after stain, focus and lamp have drifted; no two images drift by the same amount."""
    return _look(
        rng,
        share=float(rng.uniform(0.55, 1.0)),
        blur=(0.006, 0.016),
        light=(0.62, 0.86),
        vignette=(0.15, 0.4),
    )


def develop(
    eosin: FloatArray, azure: FloatArray, look: Look, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Turn thickness of eosin and azure, each (height, width), into RGB of shape (height, width, 3)."""
    height, width = eosin.shape
    absorbed = eosin[..., None] * np.asarray(look.eosin, np.float32) + azure[..., None] * np.asarray(
        look.azure, np.float32
    )
    light = np.asarray(look.plasma, np.float32) * np.exp(-absorbed) * np.float32(look.light)
    focus = ImageFilter.GaussianBlur(look.blur * min(height, width))
    light = np.asarray(_as_image(light).filter(focus), np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = light * (1 - np.float32(look.vignette) * (x * x + y * y)[..., None] / 2)
    light = light + np.float32(look.noise) * rng.standard_normal(light.shape, dtype=np.float32)
    return np.asarray(_as_image(light))


def _as_image(light: FloatArray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))


def _look(
    rng: np.random.Generator,
    *,
    share: float,
    blur: tuple[float, float],
    light: tuple[float, float],
    vignette: tuple[float, float],
) -> Look:
    def mixed(
        usual: tuple[float, float, float], drifted: tuple[float, float, float], spread: float
    ) -> tuple[float, float, float]:
        values = [
            (a * (1 - share) + b * share) * float(rng.uniform(1 - spread, 1 + spread))
            for a, b in zip(usual, drifted, strict=True)
        ]
        return (values[0], values[1], values[2])

    return Look(
        eosin=mixed(EOSIN, DRIFTED_EOSIN, 0.2),
        azure=mixed(AZURE, DRIFTED_AZURE, 0.2),
        plasma=mixed(PLASMA, DRIFTED_PLASMA, 0.03),
        blur=float(rng.uniform(*blur)),
        light=float(rng.uniform(*light)),
        vignette=float(rng.uniform(*vignette)),
        noise=float(rng.uniform(2.0, 5.0)),
    )
