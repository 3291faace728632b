"""Draws the defects of the built-in demo set: corrosion, dent and scratch.

Each function takes a random generator and the surface of a plate, brightness
of about 0 to 1 as float32 (H, H), and returns a new one with one defect at a
random place. None of them returns a label: that is measured afterwards, on
what the defect visibly changed (:mod:`.render`), so it is always right.
"""

from collections.abc import Callable

import cv2
import numpy as np

from .texture import cloud, pixel_grid, soft_step


def draw_corrosion(
    rng: np.random.Generator, surface: np.ndarray
) -> np.ndarray:
    """Draws an irregular, pitted stain with a bright rim."""
    size = surface.shape[0]
    x, y = pixel_grid(size)
    center = rng.uniform(0, size - 1, 2)
    radius = rng.uniform(6, 26)
    flatness = rng.uniform(0.55, 1)
    u, v = _turned(x - center[0], y - center[1], rng.uniform(0, np.pi))
    height = 1 - np.hypot(u, v / flatness) / radius
    height += rng.uniform(0.2, 0.45) * cloud(rng, size, radius, octaves=3)
    # Noise far away must not add stains of its own.
    height -= np.maximum(np.hypot(u, v) / radius - 1.2, 0)

    depth = rng.uniform(0.07, 0.34)
    inside = soft_step(height, 0.06)
    mottle = cloud(rng, size, rng.uniform(4, 9), octaves=2)
    pits = np.clip(cloud(rng, size, 3.5, octaves=1) - 0.9, 0, 1)
    rim = np.exp(-((height / 0.09) ** 2)) * rng.uniform(0.1, 0.6)
    change = inside * (0.8 + 0.35 * mottle + pits) - rim
    # Corrosion removes the grain of the surface too.
    smooth = cv2.GaussianBlur(surface, (0, 0), 2)
    corroded = surface + 0.7 * inside * (smooth - surface)
    return (corroded * (1 - depth * change)).astype(np.float32)


def draw_dent(rng: np.random.Generator, surface: np.ndarray) -> np.ndarray:
    """Draws a smooth elliptical hollow, 10 to 45 pixels long.

    The side that faces the light is bright and the other one dark.
    """
    size = surface.shape[0]
    x, y = pixel_grid(size)
    center = rng.uniform(0, size - 1, 2)
    long = rng.uniform(6, 24)
    short = long * rng.uniform(0.55, 1)
    angle = rng.uniform(0, np.pi)
    u, v = _turned(x - center[0], y - center[1], angle)
    # The depth is (1 - r^2)^2, which ends smoothly at r = 1. Its slopes, in
    # the ellipse's own axes:
    fall = np.maximum(1 - (u / long) ** 2 - (v / short) ** 2, 0)
    slope_u, slope_v = fall * u / long**2, fall * v / short**2
    # The lamp is above the plate in the image, within 60 degrees.
    lamp = rng.normal(np.pi / 2, np.pi / 9) - angle
    shade = slope_u * np.cos(lamp) + slope_v * np.sin(lamp)
    shade *= rng.uniform(0.1, 0.3) / np.abs(shade).max()
    return (surface * (1 + shade)).astype(np.float32)


def draw_scratch(rng: np.random.Generator, surface: np.ndarray) -> np.ndarray:
    """Draws a thin line, 25 to 120 pixels long and 1 to 3 wide.

    It is bright or dark, straight or slightly bent, and its contrast varies
    along its length. Some have an edge of the opposite sign next to it.
    """
    size = surface.shape[0]
    length = rng.uniform(25, 120)
    angle = rng.uniform(0, np.pi)
    bend = length * rng.normal(0, 0.04)
    along = np.linspace(-1, 1, 40)
    across = bend * (1 - along**2)
    x, y = _turned(along * length / 2, across, -angle)
    points = np.stack([x, y], 1) + rng.uniform(0.15, 0.85, 2) * size

    strength = 0.75 + 0.25 * cloud(rng, 40, 12, octaves=2)[0]
    strength = np.clip(strength, 0.25, 1.3) * (1 - along**6)
    width = rng.uniform(1, 2.6)
    depth = rng.uniform(0.12, 0.4) * rng.choice([-1, 1])
    line = _stroke(points, strength, width, size)
    change = depth * line
    if rng.random() < 0.6:
        beside = points + [-np.sin(angle) * width, np.cos(angle) * width]
        change -= 0.5 * depth * _stroke(beside, strength, width, size)
    return (surface * (1 + change)).astype(np.float32)


def _turned(
    x: np.ndarray, y: np.ndarray, angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in axes rotated by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return x * c + y * s, y * c - x * s


def _stroke(
    points: np.ndarray, strength: np.ndarray, width: float, size: int
) -> np.ndarray:
    """A soft polyline, float32 (size, size), of a strength for each point."""
    fine = 4
    canvas = np.zeros((size * fine, size * fine), np.float32)
    # Pixel centers are at whole numbers, so the finer grid is shifted.
    corners = np.rint(points * fine + (fine - 1) / 2).astype(int).tolist()
    thickness = max(round(width * fine), 1)
    for start, stop, value in zip(corners, corners[1:], strength):
        cv2.line(canvas, start, stop, float(value), thickness)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


# The kinds of defect, in the order of their category ids 1, 2, 3.
DEFECTS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    'corrosion': draw_corrosion,
    'dent': draw_dent,
    'scratch': draw_scratch,
}
