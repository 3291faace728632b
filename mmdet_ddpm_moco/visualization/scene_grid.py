"""A picture of scenes: whole images with the boxes that teachers drew."""

import cv2
import numpy as np

from ..bank.scenes import Scene, Scenes

COLUMNS, ROWS = 6, 4
CELL = 240  # pixels
SHOWN_FROM = 0.2  # probability; the others would hide the image
# BGR, of boxes that are certainly right and of those that are not.
RIGHT, WRONG = (60, 160, 30), (0, 120, 255)


def draw_scene_grid(scenes: Scenes, seed: int = 0) -> np.ndarray:
    """Draws some scenes; boxes from green, surely right, to orange.

    Args:
        scenes (Scenes): The scenes.
        seed (int): Draws which are shown. Defaults to 0.

    Returns:
        np.ndarray: BGR uint8 (H, W, 3).
    """
    order = np.random.RandomState(seed).permutation(len(scenes))
    cells = [
        _draw(scenes[int(index)], scenes.classes)
        for index in order[: COLUMNS * ROWS]
    ]
    blank = np.full((CELL, CELL, 3), 245, np.uint8)
    cells += [blank] * (-len(cells) % COLUMNS)
    rows = [
        np.hstack(cells[i : i + COLUMNS])
        for i in range(0, len(cells), COLUMNS)
    ]
    return np.vstack(rows) if rows else blank


def _draw(scene: Scene, classes: tuple[str, ...]) -> np.ndarray:
    pixels = cv2.imread(str(scene.path), cv2.IMREAD_COLOR)
    cell = np.full((CELL, CELL, 3), 245, np.uint8)
    if pixels is None:
        return cell
    height, width = pixels.shape[:2]
    scale = (CELL - 4) / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shown = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    for index in np.argsort(scene.probabilities):
        box, label = scene.boxes[index], scene.labels[index]
        right = float(scene.probabilities[index])
        if right < SHOWN_FROM:
            continue
        x0, y0, x1, y1 = (round(float(v) * scale) for v in box)
        color = tuple(
            round(right * a + (1 - right) * b) for a, b in zip(RIGHT, WRONG)
        )
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), color, 1)
        text = f'{classes[label][:8]} {right:.2f}'
        cv2.putText(
            shown,
            text,
            (x0 + 2, min(y0 + 10, size[1] - 2)),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.3,
            color,
            1,
            cv2.LINE_AA,
        )
    cell[: size[1], : size[0]] = shown
    return cell
