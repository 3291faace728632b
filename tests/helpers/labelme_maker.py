"""Makes small labelme data sets for the tests."""

import json
from pathlib import Path
from typing import Any

from helpers.voc_maker import write_image


def shape(label: str, kind: str | None, *points, **fields) -> dict[str, Any]:
    """A shape as labelme writes it; of old versions without a kind."""
    found = dict(label=label, points=[list(p) for p in points], **fields)
    return found if kind is None else dict(found, shape_type=kind)


# Left, top, width and height are 2, 4, 20 and 10.
DENT = shape('dent', 'rectangle', (2, 4), (22, 14))


def labelme_json(
    image_path: str, shapes=(), size: tuple[int, int] = (40, 40)
) -> dict[str, Any]:
    return dict(
        version='5.4.1',
        flags={},
        shapes=list(shapes),
        imagePath=image_path,
        imageData='aW1hZ2U=',
        imageHeight=size[1],
        imageWidth=size[0],
    )


def write_labelme(path: Path, *shapes, seed: int, **options: Any) -> None:
    """An image and its JSON beside it; ``path`` is the image's."""
    write_image(path, seed)
    content = labelme_json(path.name, shapes, **options)
    text = json.dumps(content, ensure_ascii=False)
    path.with_suffix('.json').write_text(text, encoding='utf-8')
