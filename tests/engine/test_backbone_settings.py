import pytest
from mmdet.models.backbones import ResNet

from mmdet_ddpm_moco.engine.backbone_settings import freezing_settings
from mmdet_ddpm_moco.models.backbones.efficientnet_lite import EfficientNetLite


@pytest.mark.parametrize(
    'backbone, frozen, cure',
    [
        (ResNet, -1, None),
        (ResNet, 0, -1),
        (ResNet, 1, -1),
        # mmdet counts from 0 there, and refuses -1.
        (EfficientNetLite, 0, None),
        (EfficientNetLite, 1, 0),
    ],
)
def test_frozen_stages_are_named_with_their_cure(backbone, frozen, cure):
    depth = dict(depth=18) if backbone is ResNet else {}
    built = backbone(frozen_stages=frozen, norm_eval=False, **depth)
    lines = freezing_settings(built)
    assert len(lines) == (cure is not None)
    if lines:
        assert f'frozen_stages={frozen} freezes' in lines[0]
        assert lines[0].endswith(f'frozen_stages={cure}')
    # mmdet freezes some backbones only here.
    built.train()
    frozen_now = any(not p.requires_grad for p in built.parameters())
    assert frozen_now == bool(lines)
