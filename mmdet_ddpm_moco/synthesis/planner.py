"""What is to be synthesized where.

Window number ``i`` is planned from the seed and ``i`` alone, so that any
rank can plan any window and a run that was killed goes on with the same plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..bank.compositing import Box, alpha_box, crop
from ..bank.reader import ADD, KINDS, NULL, REPLACES
from ..datasets.labeled_images import Defect, LabeledImage, LabeledImages
from ..datasets.window_geometry import (
    defect_alpha,
    fits_whole,
    free_place,
    place_window,
    window_size,
)
from ..utils.errors import InputError


@dataclass(frozen=True)
class WindowPlan:
    """One window to synthesize.

    Attributes:
        kind (str): ``'add'``, ``'replaces'`` or ``'null'``.
        label (int): Class to paint; the number of classes for background.
        image (int): Index of the host in ``LabeledImages.images``.
        window (tuple): ``(x, y, w, h)`` of the window in the host.
        alpha (np.ndarray): uint8 (h, w).
        box (tuple): ``(x, y, w, h)`` of the defect in the host; zeros for
            ``'null'``.
        replaces (int | None): Id of the annotation whose place it takes.
    """

    kind: str
    label: int
    image: int
    window: Box
    alpha: np.ndarray
    box: Box
    replaces: int | None = None


class WindowPlanner:
    """Plans windows after the training set's own distribution.

    Sizes, aspect ratios and shapes are those of annotated defects, mirrored
    at random. A defect is added only on free ground, and only on images
    whose classes occur together with its own in the training set; where no
    place is found, a labeled defect is replaced instead.

    Args:
        data (LabeledImages): The training images.
        max_window (int): Side in pixels of the largest square window, see
            :func:`window_size`. Of a larger defect a part is synthesized.
        mix (Mapping[str, float]): Share of each kind that is tried for,
            keys ``'add'``, ``'replaces'``, ``'null'``, sum 1.
        seed (int): Seed of all plans, >= 0.
        per_class (Mapping[str, float] | None): Weights of classes, >= 0,
            by which they are tried for; 1 for those not named. Defaults to
            None, all alike.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        data: LabeledImages,
        *,
        max_window: int,
        mix: Mapping[str, float],
        seed: int,
        per_class: Mapping[str, float] | None = None,
    ) -> None:
        if max_window < 16:
            msg = f'max_window must be at least 16 pixels, got {max_window}'
            raise InputError(msg)
        if (
            set(mix) - set(KINDS)
            or not all(share >= 0 for share in mix.values())
            or not abs(sum(mix.values()) - 1) <= 1e-6
        ):
            msg = (
                f'mix must give shares of {", ".join(KINDS)} that sum to '
                f'1, got {dict(mix)}'
            )
            raise InputError(msg)
        if seed < 0:
            msg = f'seed must be at least 0, got {seed}'
            raise InputError(msg)
        self.data = data
        self.max_window = max_window
        self.shares = [mix.get(kind, 0) for kind in KINDS]
        self.seed = seed
        self._class_shares = self._shares_of(per_class or {})
        self._hosts = self._find_hosts()

    def _shares_of(self, per_class: Mapping[str, float]) -> list[float] | None:
        """Probabilities of the classes in ``data.present``."""
        names = [self.data.classes[label] for label in self.data.present]
        unknown = sorted(set(per_class) - set(names))
        weights = np.array([per_class.get(name, 1.0) for name in names])
        fine = (weights >= 0).all() and 0 < weights.sum() < np.inf
        if unknown or not fine:
            msg = (
                'per_class must give weights of at least 0, one of them '
                f'above, to classes that are labeled ({", ".join(names)}); '
                f'got {dict(per_class)}'
            )
            raise InputError(msg)
        return list(weights / weights.sum()) if per_class else None

    def _find_hosts(self) -> list[list[int]]:
        """Per class, the images on which such a defect may be added."""
        sets = [{d.label for d in i.defects} for i in self.data.images]
        all_ranks = [
            set().union({label}, *(s for s in sets if label in s))
            for label in range(len(self.data.classes))
        ]
        return [
            [i for i, s in enumerate(sets) if s <= all_ranks[label]]
            for label in range(len(self.data.classes))
        ]

    def plan(self, number: int) -> WindowPlan:
        """Plans window ``number`` (>= 0)."""
        rng = np.random.RandomState(
            np.random.SeedSequence([self.seed, number]).generate_state(4)
        )
        kind = KINDS[rng.choice(len(KINDS), p=self.shares)]
        if self._class_shares is None:
            number = rng.randint(len(self.data.present))
        else:
            number = rng.choice(len(self.data.present), p=self._class_shares)
        label = self.data.present[number]
        found = self.data.by_class[label]
        for _ in range(10):
            index, defect = found[rng.randint(len(found))]
            if kind != REPLACES:
                plan = self._on_free_ground(kind, label, index, defect, rng)
            else:
                plan = self._in_place(index, defect, rng)
            if plan is not None:
                return plan
        return self._in_place(index, defect, rng, whole_box=True)

    def _in_place(
        self,
        index: int,
        defect: Defect,
        rng: np.random.RandomState,
        whole_box: bool = False,
    ) -> WindowPlan | None:
        image = self.data.images[index]
        window = place_window(
            defect.box,
            image.size,
            window_size(defect.box, self.max_window, rng),
            rng,
        )
        alpha = defect_alpha(
            window,
            image.size,
            defect.box,
            None if whole_box else _own_ground(image, defect),
        )
        if not (alpha == 255).any():
            return None
        return WindowPlan(
            REPLACES,
            defect.label,
            index,
            window,
            alpha,
            defect.box,
            defect.ann_id,
        )

    def _on_free_ground(
        self,
        kind: str,
        label: int,
        index: int,
        defect: Defect,
        rng: np.random.RandomState,
    ) -> WindowPlan | None:
        x, y, w, h = defect.box
        if not fits_whole(defect.box, self.max_window):
            return None  # would have to be cut, and its label with it
        shape = self.data.images[index].mask(defect)
        shape = (
            np.ones((h, w), bool) if shape is None else crop(shape, defect.box)
        )
        shape = shape[:: rng.choice((1, -1)), :: rng.choice((1, -1))]
        hosts = self._hosts[label]
        host_index = hosts[rng.randint(len(hosts))]
        host = self.data.images[host_index]
        box = free_place((w, h), host.size, host.taken, rng)
        if box is None:
            return None
        x, y = box[:2]
        mask = np.zeros(host.size[::-1], bool)
        mask[y : y + h, x : x + w] = shape
        window = place_window(
            box, host.size, window_size(box, self.max_window, rng), rng
        )
        alpha = defect_alpha(window, host.size, box, mask)
        tight = alpha_box(alpha)
        if tight is None:
            return None  # a mask without a pixel
        # Labels come from the alpha, however loose the source's box is.
        box = (window[0] + tight[0], window[1] + tight[1], *tight[2:])
        if kind == NULL:
            return WindowPlan(
                NULL,
                len(self.data.classes),
                host_index,
                window,
                alpha,
                (0, 0, 0, 0),
            )
        return WindowPlan(ADD, label, host_index, window, alpha, box)


def _own_ground(image: LabeledImage, defect: Defect) -> np.ndarray:
    """The pixels of a defect that belong to no other labeled defect."""
    mask = image.mask(defect)
    ground = np.zeros(image.size[::-1], bool)
    crop(ground, defect.box)[:] = (
        True if mask is None else crop(mask, defect.box)
    )
    for other in image.defects:
        # Of a pair that overlaps, the larger one gives way.
        smaller = other.box[2] * other.box[3] < defect.box[2] * defect.box[3]
        if other is defect or not smaller:
            continue
        mask = image.mask(other)
        crop(ground, other.box)[
            ... if mask is None else crop(mask, other.box)
        ] = False
    return ground
