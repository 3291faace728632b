"""Draws defect-free brushed aluminium for the built-in demo set.

Nothing here is a defect: grain, light, roll marks, stains and dust vary from
plate to plate, so that not all that is unusual is a defect, and so that
contrastive pretraining has differences to be invariant to.
"""

import cv2
import numpy as np

# The share of plates brushed along the rows, within 10 degrees. The others
# are rotated by up to 35 degrees.
MOSTLY_HORIZONTAL = 0.9


def draw_surface(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draws one plate as a camera without noise would see it.

    Returns:
        np.ndarray: float32 (size, size), brightness, 0 black and 1 white.
        Values may leave [0, 1] a little; :func:`develop` clips them.
    """
    surface = 1 + _brushing(rng, size) + _dust(rng, size)
    if rng.random() < 0.5:
        surface += _stain(rng, size)
    return (surface * _light(rng, size)).astype(np.float32)


def draw_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draws the camera's noise.

    Returns:
        np.ndarray: float32 (size, size), in gray levels, mean 0. Its standard
        deviation is 1 to 4 levels.
    """
    sigma = rng.uniform(1, 4)
    return sigma * rng.standard_normal((size, size), dtype=np.float32)


def develop(surface: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Makes the image that the camera stores, uint8 (H, W).

    ``surface`` is brightness in 0 to 1, ``noise`` in gray levels, both
    float32 (H, W).
    """
    levels = np.rint(surface * 255 + noise)
    return np.clip(levels, 0, 255).astype(np.uint8)


def pixel_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The x and y of each pixel, float32 (size, size)."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return x, y


def cloud(
    rng: np.random.Generator, size: int, coarsest: float, octaves: int
) -> np.ndarray:
    """Draws smooth random shading in several octaves.

    Args:
        rng (np.random.Generator): The generator to draw from.
        size (int): Height and width in pixels.
        coarsest (float): Distance in pixels between the peaks of the first
            octave. Each further octave has half of it, and half the weight.
        octaves (int): Number of octaves, at least 1.

    Returns:
        np.ndarray: float32 (size, size), mean 0 and standard deviation 1.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = 3 + int(np.ceil(size * 2**octave / coarsest))
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        smooth = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        total += smooth / 2**octave
    return (total - total.mean()) / total.std()


def soft_step(height: np.ndarray, width: float) -> np.ndarray:
    """0 where ``height`` is negative, 1 where it is positive, smoothly.

    Both are float32 (H, W); ``width`` is the height over which it rises.
    """
    return 0.5 + 0.5 * np.tanh(height / (2 * width))


def _brushing(rng: np.random.Generator, size: int) -> np.ndarray:
    """Grain, single strong hairlines and roll marks, all in one direction."""
    # Rotating a canvas this much larger never shows its border.
    canvas = int(np.ceil(size * 1.45))
    grain = _streaks(rng, canvas, length=(9, 31), sigma=(0.4, 0.9))
    coarse = _streaks(rng, canvas, length=(31, 91), sigma=(1.2, 3.5))
    share = rng.uniform(0.1, 0.5)
    brushed: np.ndarray = (1 - share) * grain + share * coarse
    brushed *= rng.uniform(0.025, 0.065) / brushed.std()
    for row in rng.integers(0, canvas, rng.poisson(4)):
        start, stop = np.sort(rng.integers(0, canvas, 2))
        brushed[row, start:stop] += rng.uniform(-0.09, 0.09)
    if rng.random() < 0.5:
        brushed += _roll_marks(rng, canvas)

    if rng.random() < MOSTLY_HORIZONTAL:
        angle = rng.uniform(-10, 10)
    else:
        angle = rng.uniform(10, 35) * rng.choice([-1, 1])
    middle = ((canvas - 1) / 2, (canvas - 1) / 2)
    turn = cv2.getRotationMatrix2D(middle, angle, 1)
    brushed = cv2.warpAffine(
        brushed, turn, (canvas, canvas), borderMode=cv2.BORDER_REFLECT_101
    )
    first = (canvas - size) // 2
    return brushed[first : first + size, first : first + size]


def _streaks(
    rng: np.random.Generator,
    canvas: int,
    length: tuple[int, int],
    sigma: tuple[float, float],
) -> np.ndarray:
    """Noise stretched along the rows, with standard deviation 1."""
    pixels = int(rng.integers(*length))
    noise: np.ndarray = rng.standard_normal((canvas, canvas), np.float32)
    # Two box filters make streaks that fade in and out.
    noise = cv2.blur(cv2.blur(noise, (pixels, 1)), (pixels, 1))
    noise = cv2.GaussianBlur(
        noise, (1, 21), sigmaX=1, sigmaY=rng.uniform(*sigma)
    )
    return noise / noise.std()


def _roll_marks(rng: np.random.Generator, canvas: int) -> np.ndarray:
    """Faint bands across the rolling direction, about equally far apart."""
    x = np.arange(canvas, dtype=np.float32)
    phase = 2 * np.pi * x / rng.uniform(14, 50) + rng.uniform(0, 2 * np.pi)
    wobble = cloud(rng, canvas, coarsest=60, octaves=1)
    bands = np.sin(phase[None] + 0.5 * wobble)
    return rng.uniform(0.008, 0.022) * bands.astype(np.float32)


def _stain(rng: np.random.Generator, size: int) -> np.ndarray:
    """A dried water stain: pale, broad and with soft edges."""
    x, y = pixel_grid(size)
    center = rng.uniform(0, size, 2)
    radius = rng.uniform(0.15, 0.4) * size
    distance = np.hypot(x - center[0], y - center[1]) / radius
    height = 1 - distance + 0.35 * cloud(rng, size, size / 3, octaves=2)
    inside = soft_step(height, rng.uniform(0.08, 0.25))
    return rng.uniform(0.025, 0.08) * rng.choice([-1, 1]) * inside


def _dust(rng: np.random.Generator, size: int) -> np.ndarray:
    """Specks of one or two pixels."""
    specks = np.zeros((size, size), np.float32)
    number = rng.poisson(4)
    rows, columns = rng.integers(0, size, (2, number))
    specks[rows, columns] = rng.uniform(-1.2, 0.8, number)
    return cv2.GaussianBlur(specks, (5, 5), rng.uniform(0.5, 0.9))


def _light(rng: np.random.Generator, size: int) -> np.ndarray:
    """Exposure, a gradient, a broad reflection and vignetting."""
    x, y = pixel_grid(size)
    x, y = 2 * x / (size - 1) - 1, 2 * y / (size - 1) - 1
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.0, 0.14)
    light = 1 + slope * (x * np.cos(angle) + y * np.sin(angle))
    # Brushed metal stretches the reflection of a lamp across the grain.
    middle, width = rng.uniform(-1, 1), rng.uniform(0.3, 0.9)
    reflection = np.exp(-(((x - middle) / width) ** 2))
    light += rng.uniform(0, 0.18) * reflection
    light *= 1 - rng.uniform(0, 0.12) * (x**2 + y**2)
    return rng.uniform(0.38, 0.66) * light
