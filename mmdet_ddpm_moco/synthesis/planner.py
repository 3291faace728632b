"""Plans which defect is synthesized where.

Plan number ``i`` depends on the seed and ``i`` alone, so that any rank can
plan any window, and a resumed run follows the same plans.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..bank.compositing import Box, alpha_box, crop, overlaps
from ..bank.format import KINDS, NULL, REPLACES
from ..datasets.labeled_images import Defect, LabeledImage, LabeledImages
from ..datasets.window_geometry import (
    defect_alpha,
    find_free_box,
    fits_whole,
    place_window,
    window_size,
)
from ..utils.checks import check_arguments

# Defects tried as a template before one is replaced in any case, and then
# windows tried over that one.
_TRIES = 10


@dataclass(frozen=True)
class WindowPlan:
    """One window to synthesize."""

    kind: str  # 'add', 'replaces' or 'null'
    label: int  # class to paint; the number of classes for background
    image: int  # index of the host in LabeledImages.images
    window: Box  # in the host
    alpha: np.ndarray  # uint8 (h, w)
    box: Box  # of the defect in the host; zeros for 'null'
    replaces: int | None = None  # id of the annotation that it replaces


class WindowPlanner:
    """Plans windows from the distribution of the training set.

    Sizes, aspect ratios and shapes are those of annotated defects, mirrored
    at random. A defect is added only to a defect-free area, and only on
    images whose classes occur together with its own in the training set.
    None is added to pseudo-labeled images, which may show defects that nobody
    labeled and others than they seem to: of these, defects are replaced
    alone. Where no such area is found, a labeled defect is replaced instead.

    Args:
        data (LabeledImages): The training images.
        max_window (int): Side in pixels of the largest square window, at
            least 16, see :func:`window_size`. Of a larger defect a part is
            synthesized.
        mix (Mapping[str, float]): Share of each kind before such
            replacements, keys ``'add'``, ``'replaces'``, ``'null'``, sum 1.
        seed (int): Seed of all plans, >= 0.
        per_class (Mapping[str, float] | None): Sampling weights of classes,
            >= 0; 1 for those not named. Those of classes without labels do
            not count. Defaults to None, all alike.
        missed (float): Share of windows, in [0, 1], whose class and template
            are drawn by what detectors that did not see them miss: a defect
            that they surely find is never drawn, one that they never find is
            as likely as any other such. The labels need ``found``, see
            :mod:`~mmdet_ddpm_moco.teacher.defects`. Defaults to 0.

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
        missed: float = 0.0,
    ) -> None:
        known = [d.found for i in data.images for d in i.defects]
        check_arguments(
            locals(),
            max_window=(max_window >= 16, 'at least 16 pixels'),
            mix=(
                set(mix) <= set(KINDS)
                and all(share >= 0 for share in mix.values())
                and abs(sum(mix.values()) - 1) <= 1e-6,
                f'shares of {", ".join(KINDS)} that sum to 1',
            ),
            seed=(seed >= 0, 'at least 0'),
            missed=(
                0 <= missed <= 1
                and (
                    not missed or any(f is not None and f < 1 for f in known)
                ),
                'in [0, 1], and 0 unless the labels say what detectors miss: '
                'stages.generator.scenes=True gives such labels',
            ),
        )
        self.data = data
        self.missed = missed
        self._missed = _by_misses(data)
        self.max_window = max_window
        total = sum(mix.values())  # nearly 1, which NumPy does not take
        self.shares = [mix.get(kind, 0) / total for kind in KINDS]
        self.seed = seed
        self._class_shares = self._probabilities(per_class or {})
        self._hosts = self._find_hosts()

    def _probabilities(
        self, per_class: Mapping[str, float]
    ) -> list[float] | None:
        """Probabilities of the classes in ``data.present``."""
        names = self.data.classes
        given = np.array([per_class.get(name, 1.0) for name in names])
        # Fewer images of a data set, as in a fold, may lack a class.
        weights = given[self.data.present]
        valid = bool((given >= 0).all() and 0 < weights.sum() < np.inf)
        check_arguments(
            locals(),
            per_class=(
                set(per_class) <= set(names) and valid,
                f'weights of at least 0 of the classes {", ".join(names)}, '
                'one of them above 0 and of a class that is labeled',
            ),
        )
        return list(weights / weights.sum()) if per_class else None

    def _find_hosts(self) -> list[list[int]]:
        """Per class, the images to which such a defect may be added."""
        sets = {
            index: {d.label for d in image.defects}
            for index, image in enumerate(self.data.images)
            if not image.pseudo_labeled
        }
        hosts = []
        for label in range(len(self.data.classes)):
            together = (s for s in sets.values() if label in s)
            allowed = {label}.union(*together)
            hosts.append([i for i, s in sets.items() if s <= allowed])
        return hosts

    def plan(self, number: int) -> WindowPlan:
        """Plans window ``number`` (>= 0)."""
        rng = np.random.RandomState(
            np.random.SeedSequence([self.seed, number]).generate_state(4)
        )
        kind = KINDS[rng.choice(len(KINDS), p=self.shares)]
        draw = self._templates(rng)
        for _ in range(_TRIES):
            index, defect = draw()
            if kind == REPLACES:
                mask = _own_pixels(self.data.images[index], defect)
                plan = self._replacement(index, defect, mask, rng)
                if (plan.alpha == 255).any():
                    return plan
            else:
                added = self._addition(kind, index, defect, rng)
                if added is not None:
                    return added
        # The whole box would grow the mask of this defect, and paint over
        # smaller ones inside it: only if its own pixels are never visible.
        own = _own_pixels(self.data.images[index], defect)
        for painted in (*[own] * _TRIES, None):
            plan = self._replacement(index, defect, painted, rng)
            if (plan.alpha == 255).any():
                break
        return plan

    def _templates(
        self, rng: np.random.RandomState
    ) -> Callable[[], tuple[int, Defect]]:
        """Chooses what templates are drawn from."""
        if self.missed and rng.rand() < self.missed:
            found, chances = self._missed
            return lambda: found[rng.choice(len(found), p=chances)]
        present = self.data.present
        if self._class_shares is None:
            label = present[rng.randint(len(present))]
        else:
            label = present[rng.choice(len(present), p=self._class_shares)]
        found = self.data.by_class[label]
        return lambda: found[rng.randint(len(found))]

    def _replacement(
        self,
        index: int,
        defect: Defect,
        mask: np.ndarray | None,
        rng: np.random.RandomState,
    ) -> WindowPlan:
        size = self.data.images[index].size
        window = self._window(defect.box, size, rng)
        return WindowPlan(
            REPLACES,
            defect.label,
            index,
            window,
            defect_alpha(window, size, defect.box, mask),
            defect.box,
            defect.ann_id,
        )

    def _addition(
        self, kind: str, index: int, defect: Defect, rng: np.random.RandomState
    ) -> WindowPlan | None:
        """Plans an ``add`` or ``null`` window in the shape of a defect."""
        if not fits_whole(defect.box, self.max_window):
            return None  # would have to be cut, and its label with it
        shape = _shape(self.data.images[index], defect)
        shape = shape[:: rng.choice((1, -1)), :: rng.choice((1, -1))]
        hosts = self._hosts[defect.label]
        if not hosts:
            return None  # of a class that is pseudo-labeled alone
        host_index = hosts[rng.randint(len(hosts))]
        host = self.data.images[host_index]
        box = find_free_box(defect.box[2:], host.size, host.occupied, rng)
        if box is None:
            return None
        mask = np.zeros(host.size[::-1], bool)
        crop(mask, box)[:] = shape
        window = self._window(box, host.size, rng)
        alpha = defect_alpha(window, host.size, box, mask)
        tight = alpha_box(alpha)
        if tight is None:
            return None  # a mask without a pixel
        if kind == NULL:
            label, box = len(self.data.classes), (0, 0, 0, 0)
        else:
            # Labels come from alpha: the annotated box may be less tight.
            label = defect.label
            box = (window[0] + tight[0], window[1] + tight[1], *tight[2:])
        return WindowPlan(kind, label, host_index, window, alpha, box)

    def _window(
        self, box: Box, image_size: tuple[int, int], rng: np.random.RandomState
    ) -> Box:
        size = window_size(box, self.max_window, rng)
        return place_window(box, image_size, size, rng)


def _by_misses(
    data: LabeledImages,
) -> tuple[list[tuple[int, Defect]], np.ndarray]:
    """Defects, by image index, and how often each is drawn."""
    found = [
        (index, defect)
        for index, image in enumerate(data.images)
        for defect in image.defects
        if defect.found is not None
    ]
    missed = np.array([1 - (d.found or 0) for _, d in found], float)
    return found, missed / max(missed.sum(), np.finfo(float).tiny)


def _shape(image: LabeledImage, defect: Defect) -> np.ndarray:
    """Mask of a defect within its box; the whole box if it has none."""
    mask = image.mask(defect)
    _, _, w, h = defect.box
    return np.ones((h, w), bool) if mask is None else crop(mask, defect.box)


def _own_pixels(image: LabeledImage, defect: Defect) -> np.ndarray:
    """Mask of the pixels of a defect that are of no other labeled defect."""
    own = np.zeros(image.size[::-1], bool)
    crop(own, defect.box)[:] = _shape(image, defect)
    for other in image.defects:
        # Where two overlap, the pixels are those of the smaller one.
        smaller = other.box[2] * other.box[3] < defect.box[2] * defect.box[3]
        if smaller and overlaps(other.box, defect.box):
            crop(own, other.box)[_shape(image, other)] = False
    return own
