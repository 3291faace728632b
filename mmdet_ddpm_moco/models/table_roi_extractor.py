"""RoIAlign as a lookup, which is much faster on a CPU than mmcv's loops."""

import torch
import torch.nn.functional as F
from mmcv.ops import RoIAlign
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from torch import nn

from ..utils.errors import InputError


@MODELS.register_module()
class TableRoIExtractor(SingleRoIExtractor):
    """mmdet's ``SingleRoIExtractor``, several times faster on a CPU.

    Its layers are ``TableRoIAlign`` and compute the same. On other devices
    they are mmcv's.

    Args:
        roi_layer (dict): Of type ``RoIAlign``, averaging, aligned and with a
            fixed ``sampling_ratio``.
        **kwargs: Of ``SingleRoIExtractor``.

    Raises:
        ValueError: ``roi_layer`` is another one.
    """

    def build_roi_layers(
        self, layer_cfg: dict, featmap_strides: list[int]
    ) -> nn.ModuleList:
        """Builds a ``TableRoIAlign`` for each map."""
        cfg = dict(layer_cfg)
        kind = cfg.pop('type')
        if kind != 'RoIAlign':
            msg = f"TableRoIExtractor computes 'RoIAlign', not {kind!r}"
            raise InputError(msg)
        return nn.ModuleList(
            TableRoIAlign(spatial_scale=1 / s, **cfg) for s in featmap_strides
        )


class TableRoIAlign(RoIAlign):
    """mmcv's RoIAlign: on a CPU, every cell of a map is a row of a table.

    An output cell is a sum of ``4 * sampling_ratio ** 2`` rows with the
    weights of bilinear interpolation, for which torch has fast kernels in
    both directions. Takes the arguments of mmcv's.

    Raises:
        ValueError: It is to take maxima, to sample as many points as there
            are cells, or not to align.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.sampling_ratio < 1 or self.pool_mode != 'avg':
            msg = (
                'TableRoIAlign needs a sampling_ratio of 1 or more and '
                f"pool_mode='avg', not {self.sampling_ratio} and "
                f'{self.pool_mode!r}'
            )
            raise InputError(msg)
        if not self.aligned:
            msg = 'TableRoIAlign needs aligned=True'
            raise InputError(msg)

    def forward(self, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        """Crops RoIs.

        Args:
            input (torch.Tensor): Maps, float (B, C, H, W).
            rois (torch.Tensor): Index of the image and corners, float (N, 5).

        Returns:
            torch.Tensor: Float (N, C, *output_size).
        """
        if input.device.type != 'cpu' or not len(rois):
            return super().forward(input, rois)
        channels, height, width = input.shape[1:]
        boxes = rois[:, 1:] * self.spatial_scale - 0.5
        rows, row_weights = self._points(
            boxes[:, 1], boxes[:, 3], self.output_size[0], height
        )
        columns, column_weights = self._points(
            boxes[:, 0], boxes[:, 2], self.output_size[1], width
        )
        # (N, output rows, output columns, points down, points across)
        first = rois[:, 0].long()[:, None, None, None, None] * height
        index = (first + rows[:, :, None, :, None]) * width
        index = index + columns[:, None, :, None, :]
        weights = (
            row_weights[:, :, None, :, None]
            * column_weights[:, None, :, None, :]
        )
        table = input.permute(0, 2, 3, 1).reshape(-1, channels)
        cells = F.embedding_bag(
            index.flatten(0, 2).flatten(1),
            table,
            mode='sum',
            per_sample_weights=weights.flatten(0, 2).flatten(1).to(table),
        )
        cells = cells.view(len(rois), *self.output_size, channels)
        return cells.permute(0, 3, 1, 2).contiguous()

    def _points(
        self, start: torch.Tensor, end: torch.Tensor, cells: int, size: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Interpolation along one axis.

        Boxes reach from ``start`` to ``end``, each (N, ), in cells of the map,
        which has ``size`` of them; the output has ``cells``.

        Returns:
            tuple[torch.Tensor, torch.Tensor]: Positions, int64, and weights,
            each (N, cells, 2 * sampling_ratio).
        """
        ratio = self.sampling_ratio
        steps = torch.arange(cells * ratio, device=start.device) + 0.5
        at = start[:, None] + (end - start)[:, None] * steps / len(steps)
        inside = (at >= -1) & (at <= size)
        at = at.clamp(0, size - 1)
        low = at.floor()
        high = (low + 1).clamp(max=size - 1)
        share = at - low
        position = torch.stack([low, high], dim=2).long()
        weight = torch.stack([1 - share, share], dim=2)
        weight = weight * inside[:, :, None] / ratio
        shape = (len(start), cells, 2 * ratio)
        return position.view(shape), weight.view(shape)
