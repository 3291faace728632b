"""DDPM-MoCo for MMDetection.

Every registered class can be named in a config by its dotted type, such as
``type='mmdet_ddpm_moco.DDPMMoCoHook'``, with no ``custom_imports``. They are
imported when first asked for: whoever only reads a finished defect bank needs
neither diffusers nor mmpretrain.
"""

from importlib import import_module
from typing import Any

from .utils.requirements import check_module, check_stack
from .version import __version__

# name: (module, optional libraries it needs)
_EXPORTS = {
    'AluminiumPlateDataset': ('datasets.aluminium_plate_dataset', ()),
    'NEUDETDataset': ('datasets.neu_det_dataset', ()),
    'DefectBank': ('bank.reader', ()),
    'DefectWindowDataset': ('datasets.defect_window_dataset', ()),
    'ContrastiveDataset': ('datasets.contrastive_dataset', ()),
    'CropToSample': ('datasets.transforms.crop_to_sample', ()),
    'DiffusionDefectAugment': (
        'datasets.transforms.diffusion_defect_augment',
        (),
    ),
    'ProceduralDefectAugment': (
        'datasets.transforms.procedural_defect_augment',
        (),
    ),
    'TwoViews': ('datasets.transforms.two_views', ()),
    'Bf16OptimWrapper': ('models.bf16_optim_wrapper', ()),
    'EfficientNetLite': ('models.backbones.efficientnet_lite', ()),
    'DefectDDPM': ('models.ddpm', ('diffusers',)),
    'DatasetContrastiveLoss': (
        'models.losses.dataset_contrastive_loss',
        ('mmpretrain',),
    ),
    'DatasetContrastiveHead': (
        'models.heads.dataset_contrastive_head',
        ('mmpretrain',),
    ),
    'DatasetMoCo': ('models.moco', ('mmpretrain',)),
    'ContrastiveInitHook': ('engine.hooks.contrastive_init_hook', ()),
    'ContrastiveProgressHook': (
        'engine.hooks.contrastive_progress_hook',
        ('mmpretrain',),
    ),
    'DDPMMoCoHook': ('engine.hooks.ddpm_moco_hook', ()),
    'ExportBackboneHook': ('engine.hooks.export_backbone_hook', ()),
    'ExportGeneratorHook': (
        'engine.hooks.export_generator_hook',
        ('diffusers',),
    ),
    'SampleGridHook': ('engine.hooks.sample_grid_hook', ('diffusers',)),
}

__all__ = ['__version__', *_EXPORTS]

check_stack()


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)
    module, libraries = _EXPORTS[name]
    for library in libraries:
        check_module(library)
    return getattr(import_module(f'{__name__}.{module}'), name)
