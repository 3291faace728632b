"""DiffusionDefectAugment in the simplest way, to compare with."""

import copy

import cv2
import numpy as np


def slow_augment(root, windows, results, labels, wanted, order, least=0.0):
    """What the transform is to make of a sample.

    Args:
        root (Path): The bank.
        windows (list): Those of the image, `BankWindow`.
        results (dict): The sample; not changed.
        labels (list): Of the bank's classes.
        wanted (int): Most windows.
        order (Sequence[int]): In which they are tried.
        least (float): `min_visibility`.

    Returns:
        tuple: Image, corners, labels, ignore flags and origins as lists,
        semantic map or None.
    """
    image = results['img'].copy()
    semantic = copy.deepcopy(results.get('gt_seg_map'))
    height, width = image.shape[:2]
    corners = results['gt_bboxes'].convert_to('hbox').tensor.tolist()
    classes = results['gt_bboxes_labels'].tolist()
    ignored = results['gt_ignore_flags'].tolist()
    origins = [0] * len(corners)
    real = len(corners)
    hidden = np.zeros((height, width), int)  # 0, or 1 + number of its owner
    used = np.zeros((height, width), bool)
    pasted = 0
    for index in order:
        window = windows[index]
        x, y, w, h = window.window
        if used[y : y + h, x : x + w].any():
            continue
        own = None
        if window.kind == 'replaces':
            bx, by, bw, bh = window.box
            for i in range(real):
                clipped = [
                    min(max(v, 0), most)
                    for v, most in zip(corners[i], (width, height) * 2)
                ]
                target = (bx, by, bx + bw, by + bh)
                near = all(abs(a - b) <= 1 for a, b in zip(clipped, target))
                if near and classes[i] == labels[window.label]:
                    own = i
                    break
            if own is None:
                continue
        file = root / 'images' / f'{window.number:06d}.png'
        pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        painted = np.zeros((height, width), bool)
        painted[y : y + h, x : x + w] = pixels[..., 3] > 0
        trial = hidden.copy()
        trial[painted] = 1 + (real if own is None else own)
        if not _all_visible(trial, corners[:real], ignored, least):
            continue
        hidden = trial
        used[y : y + h, x : x + w] = True
        image[painted] = pixels[pixels[..., 3] > 0, :3]
        if semantic is not None and window.kind != 'null':
            semantic[painted] = results['ignore_index']
        if window.kind == 'add':
            bx, by, bw, bh = window.box
            corners.append([bx, by, bx + bw, by + bh])
            classes.append(labels[window.label])
            ignored.append(False)
            origins.append(1)
        elif own is not None:
            origins[own] = 2
        pasted += 1
        if pasted == wanted:
            break
    return image, corners, classes, ignored, origins, semantic


def _all_visible(hidden, corners, ignored, least):
    height, width = hidden.shape
    for i, (x0, y0, x1, y1) in enumerate(corners):
        if ignored[i]:
            continue
        part = hidden[
            max(int(np.floor(y0)), 0) : min(int(np.ceil(y1)), height),
            max(int(np.floor(x0)), 0) : min(int(np.ceil(x1)), width),
        ]
        if not part.size:
            continue
        # A window that replaces a box does not hide it.
        covered = ((part > 0) & (part != 1 + i)).sum()
        if covered and 1 - covered / part.size < least - 1e-6:
            return False
    return True
