"""Synthetic test sets and detections."""

import json

import numpy as np

# Neither in order nor without gaps. Of `unseen` there is no box, `missed`
# is never detected.
CATEGORIES = {7: 'crack', 2: 'unseen', 11: 'dent', 5: 'missed'}
CLASSES = ['unseen', 'missed', 'crack', 'dent']  # by id


def random_test_set(seed, ties='none', images=14):
    """Boxes, crowds, oversized boxes and detections, some of them good.

    Scores are all different (``none``), often the same across images
    (``images``) or also within them (``all``).
    """
    rng = np.random.default_rng(seed)
    ids = [int(number) for number in 3 + 10 * rng.permutation(images)]
    boxes, found = [], []
    for image in ids[1:]:  # the first has nothing
        for category in (7, 11, 5):
            for _ in range(rng.integers(4)):
                x, y, w, h = rng.integers([80, 80, 30, 30]) + [0, 0, 9, 9]
                box = [int(value) for value in (x, y, w, h)]
                # Beyond 1e10 COCOeval ignores a box.
                area = 2e10 if rng.random() < 0.1 else box[2] * box[3]
                boxes.append(
                    dict(
                        id=len(boxes) + 1,
                        image_id=image,
                        category_id=category,
                        bbox=box,
                        area=area,
                        iscrowd=int(rng.random() < 0.15),
                    )
                )
                for _ in range(rng.integers(4) if category != 5 else 0):
                    shift = rng.normal(0, 2, 4)
                    found.append((image, category, [*(box + shift)]))
        for category in (7, 11, 2):
            for _ in range(rng.integers(3)):
                stray = [*rng.uniform([0, 0, 9, 9], [80, 80, 40, 40])]
                found.append((image, category, stray))
        if rng.random() < 0.2:
            found.append((image, 11, [0, 0, 2e5, 2e5]))
    scores = rng.permutation(len(found)) / len(found)
    if ties == 'all':
        scores = np.round(scores, 1)
    if ties == 'images':
        # The n-th detection of an image has the n-th score: equal across
        # images, different within each.
        count = dict.fromkeys(ids, 0)
        for place, (image, _, _) in enumerate(found):
            scores[place] = count[image] * 0.37 % 1
            count[image] += 1
    truth = dict(
        images=[dict(id=image, width=200, height=200) for image in ids],
        annotations=boxes,
        categories=[dict(id=k, name=name) for k, name in CATEGORIES.items()],
    )
    detections = [
        dict(image_id=i, category_id=c, bbox=box, score=float(score))
        for (i, c, box), score in zip(found, scores)
    ]
    return truth, detections


def repeat_images(truth, detections, weights):
    """Copies image n, in the order of ids, ``weights[n]`` times."""
    ids = sorted(image['id'] for image in truth['images'])
    copies = {
        image: [1000 * image + copy for copy in range(weight)]
        for image, weight in zip(ids, weights)
    }
    annotations = [
        dict(box, image_id=copy)
        for box in truth['annotations']
        for copy in copies[box['image_id']]
    ]
    repeated = dict(
        images=[dict(id=copy) for image in ids for copy in copies[image]],
        annotations=[
            dict(box, id=number + 1) for number, box in enumerate(annotations)
        ],
        categories=truth['categories'],
    )
    return repeated, [
        dict(detection, image_id=copy)
        for detection in detections
        for copy in copies[detection['image_id']]
    ]


def write(folder, truth, detections, name='test'):
    ann_file = folder / f'{name}.json'
    result_file = folder / f'{name}.bbox.json'
    ann_file.write_text(json.dumps(truth))
    result_file.write_text(json.dumps(detections))
    return ann_file, result_file


def one_class(boxes, scores, right):
    """Images with ``boxes`` each, detections that are exact or far off."""
    annotations, detections = [], []
    for image, count in enumerate(boxes):
        for place in range(count):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=1,
                    bbox=[100 * place, 0, 50, 50],
                    area=2500,
                    iscrowd=0,
                )
            )
        hits = 0
        for score, hit in zip(scores[image], right[image]):
            x, y = (100 * hits, 0) if hit else (0, 900)
            hits += hit
            detections.append(
                dict(
                    image_id=image,
                    category_id=1,
                    bbox=[x, y, 50, 50],
                    score=score,
                )
            )
    truth = dict(
        images=[dict(id=image) for image in range(len(boxes))],
        annotations=annotations,
        categories=[dict(id=1, name='dent')],
    )
    return truth, detections


def assert_same(found, expected, tolerance=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
