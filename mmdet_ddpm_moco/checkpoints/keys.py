"""Matches the weights of any framework to a backbone, and reports coverage.

Every framework wraps the same network under other names (``backbone.``,
``module.encoder_q.``, ``backbone.0.``), and a loader that is not strict is
silent when none fits. So the wrapping that would load most is chosen, and
what does not load is reported.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

Shape = tuple[int, ...]
# A prefix, and how the names after it are changed.
Wrapping = tuple[str, Callable[[str], str]]


@dataclass(frozen=True)
class BackboneReport:
    """The outcome of ``map_backbone_keys``, in the backbone's own names."""

    prefix: str  # of the backbone's names in the file
    loaded: tuple[str, ...]  # names that the file has, in their shape
    missing: tuple[str, ...]  # that the file lacks, without integer entries
    # Under `prefix`, but not in the backbone, such as a classifier's.
    unexpected: tuple[str, ...]
    # Shape in the file and in the backbone, of names that both have.
    wrong_shape: dict[str, tuple[Shape, Shape]]
    # Those of `unexpected` that belong to a part the backbone does have:
    # blocks of a deeper network.
    surplus: tuple[str, ...]
    # Elements loaded over elements of the backbone, in [0, 1]. Parameters
    # and running statistics count.
    coverage: float
    # Surplus elements over surplus and loaded ones, in [0, 1]: the share of
    # the file's network not loaded.
    surplus_share: float

    def fits(self, min_coverage: float) -> bool:
        """Whether file and backbone are the same network.

        Args:
            min_coverage (float): Lowest share, in (0, 1], of the backbone
                that the file must have, and of the file's network that the
                backbone must have: ResNet-34 contains all of ResNet-18.
        """
        return min(self.coverage, 1 - self.surplus_share) >= min_coverage

    def likely_cause(self) -> str:
        """The likely reason why a file does not fit, for an error message."""
        matches = len(self.loaded) + len(self.wrong_shape)
        if 10 * matches < matches + len(self.missing):
            return (
                'hardly a name matches: another architecture or unknown '
                f'names; the file has {_some(self.unexpected, 2)}, the '
                f'backbone {_some(self.missing, 2)}'
            )
        if self.wrong_shape:
            key, (found, wanted) = next(iter(self.wrong_shape.items()))
            return (
                f'{len(self.wrong_shape)} weights have another shape, such '
                f'as {key}, {_times(found)} in the file and '
                f'{_times(wanted)} in the backbone: another depth, width or '
                'kind of block'
            )
        if self.surplus:
            return (
                f'{self.surplus_share:.0%} of the network in the file is '
                f'not in the backbone ({_some(self.surplus)}): it is a deeper '
                'one'
            )
        return (
            f'the file lacks {len(self.missing)} weights '
            f'({_some(self.missing)}): a shallower network or a part of one'
        )

    def __str__(self) -> str:
        return (
            f'prefix {self.prefix!r}, '
            f'loaded {len(self.loaded)}, '
            f'missing {_counted(self.missing)}, '
            f'unexpected {_counted(self.unexpected)}, '
            f'wrong shape {_counted(self.wrong_shape)}, '
            f'coverage {100 * self.coverage:.2f} %'
        )


def _counted(keys: Iterable[str]) -> str:
    keys = list(keys)
    return f'{len(keys)} ({_some(keys)})' if keys else '0'


def _some(keys: Iterable[str], limit: int = 3) -> str:
    keys = list(keys)
    more = ', ...' if len(keys) > limit else ''
    return ', '.join(keys[:limit]) + more


def _times(shape: Shape) -> str:
    return 'x'.join(map(str, shape)) or 'scalar'


# nn.Sequential(*torchvision_resnet.children()), as lightly builds it; 2 and
# 3 are ReLU and pooling.
_SEQUENTIAL = {
    '0': 'conv1',
    '1': 'bn1',
    '4': 'layer1',
    '5': 'layer2',
    '6': 'layer3',
    '7': 'layer4',
}

# Parts of prefixes of the momentum copy of the encoder: the trained one is
# chosen where both fit.
_MOMENTUM = ('momentum', 'ema', 'teacher', 'target', 'encoder_k')


def _unchanged(key: str) -> str:
    return key


def _from_sequential(key: str) -> str:
    child, dot, rest = key.partition('.')
    return _SEQUENTIAL.get(child, child) + dot + rest


def map_backbone_keys(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], BackboneReport]:
    """Renames the weights of ``source`` to those of a backbone.

    Of all prefixes under which names of the backbone are found, the one that
    would load most is chosen; of a trained encoder and its momentum copy, the
    trained one. Integer entries (``num_batches_tracked``, index tables) are
    kept where they fit but are not counted.

    Args:
        source (Mapping[str, Tensor]): A state dict of our or mmpretrain's
            models, of facebookresearch/moco, torchvision, timm, lightly or
            anything else that wraps the backbone under a prefix.
        target (Mapping[str, Tensor]): The backbone's state dict.

    Returns:
        tuple[dict[str, Tensor], BackboneReport]: The weights that fit, by
        the backbone's own names, and the report.
    """
    prefix, rename = _best_wrapping(source, target)
    inside = {
        rename(key[len(prefix) :]): value
        for key, value in source.items()
        if key.startswith(prefix)
    }
    fitting = {
        key: inside[key]
        for key, value in target.items()
        if key in inside and inside[key].shape == value.shape
    }
    return fitting, _report(prefix, inside, fitting, target)


def _best_wrapping(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> Wrapping:
    elements: Counter[Wrapping] = Counter()
    names: Counter[Wrapping] = Counter()
    for key, value in source.items():
        cuts = [0, *(i + 1 for i, c in enumerate(key) if c == '.')]
        for rename in (_unchanged, _from_sequential):
            for cut in cuts:
                place = target.get(rename(key[cut:]))
                if place is None:
                    continue
                wrapping = (key[:cut], rename)
                names[wrapping] += 1
                if place.shape == value.shape:
                    elements[wrapping] += value.numel()

    def merit(wrapping: Wrapping) -> tuple:
        prefix, rename = wrapping
        return (
            elements[wrapping],
            names[wrapping],
            not any(word in prefix for word in _MOMENTUM),
            rename is _unchanged,
            -len(prefix),
            prefix,
        )

    return max(names, key=merit, default=('', _unchanged))


def _report(
    prefix: str,
    inside: Mapping[str, Tensor],
    fitting: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
) -> BackboneReport:
    counted = [k for k, v in target.items() if v.is_floating_point()]
    children = {key.partition('.')[0] for key in target}
    unexpected = [key for key in inside if key not in target]
    surplus = [key for key in unexpected if key.partition('.')[0] in children]
    total = sum(target[k].numel() for k in counted)
    loaded = sum(fitting[k].numel() for k in counted if k in fitting)
    left_over = sum(
        inside[k].numel() for k in surplus if inside[k].is_floating_point()
    )
    return BackboneReport(
        prefix=prefix,
        loaded=tuple(fitting),
        missing=tuple(k for k in counted if k not in inside),
        unexpected=tuple(unexpected),
        wrong_shape={
            key: (tuple(inside[key].shape), tuple(target[key].shape))
            for key in target
            if key in inside and key not in fitting
        },
        surplus=tuple(surplus),
        coverage=loaded / total if total else 0.0,
        surplus_share=left_over / max(loaded + left_over, 1),
    )
