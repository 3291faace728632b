"""DDPM-MoCo for MMDetection.

Every registered class can be named in a config by its dotted type, such as
``type='mmdet_ddpm_moco.DDPMMoCoHook'``, without ``custom_imports``. They are
imported on first use: reading a finished defect bank needs neither diffusers
nor mmpretrain.
"""

from importlib import import_module
from typing import Any

from .utils.requirements import check_module, check_stack
from .version import __version__

# Modules of the public classes.
_EXPORTS = {
    'AluminiumPlateDataset': 'datasets.aluminium_plate_dataset',
    'GC10DETDataset': 'datasets.gc10_det_dataset',
    'MagneticTileDataset': 'datasets.magnetic_tile_dataset',
    'NEUDETDataset': 'datasets.neu_det_dataset',
    'SeverstalDataset': 'datasets.severstal_dataset',
    'TianchiAluminiumDataset': 'datasets.tianchi_aluminium_dataset',
    'DefectBank': 'bank.reader',
    'DefectWindowDataset': 'datasets.defect_window_dataset',
    'ContrastiveDataset': 'datasets.contrastive_dataset',
    'CropToSample': 'datasets.transforms.crop_to_sample',
    'DiffusionDefectAugment': 'datasets.transforms.diffusion_defect_augment',
    'ProceduralDefectAugment': 'datasets.transforms.procedural_defect_augment',
    'SliceImage': 'datasets.transforms.slice_image',
    'TwoViews': 'datasets.transforms.two_views',
    'Bf16OptimWrapper': 'models.bf16_optim_wrapper',
    'ForeachEMA': 'models.moving_average',
    'EfficientNetLite': 'models.backbones.efficientnet_lite',
    'SlicedTTAModel': 'models.sliced_tta',
    'FusedTTAModel': 'teacher.fused_tta',
    'TableRoIExtractor': 'models.table_roi_extractor',
    'DefectDDPM': 'models.ddpm',
    'DatasetContrastiveLoss': 'models.losses.dataset_contrastive_loss',
    'DatasetContrastiveHead': 'models.heads.dataset_contrastive_head',
    'DatasetMoCo': 'models.moco',
    'ContrastiveInitHook': 'engine.hooks.contrastive_init_hook',
    'ContrastiveProgressHook': 'engine.hooks.contrastive_progress_hook',
    'DDPMMoCoHook': 'engine.hooks.ddpm_moco_hook',
    'ExportBackboneHook': 'engine.hooks.export_backbone_hook',
    'ExportGeneratorHook': 'engine.hooks.export_generator_hook',
    'SampleGridHook': 'engine.hooks.sample_grid_hook',
    # These import mmagic, and say which versions it works with.
    'DefectDDPMSampler': 'interop.mmagic.sampler',
    'MMagicDenoisingUnet': 'interop.mmagic.denoising_unet',
    'RealDefectWindows': 'interop.mmagic.real_windows',
}
# Optional libraries that they need.
_NEEDS = {
    'DefectDDPM': 'diffusers',
    'FusedTTAModel': 'ensemble_boxes',
    'DatasetContrastiveLoss': 'mmpretrain',
    'DatasetContrastiveHead': 'mmpretrain',
    'DatasetMoCo': 'mmpretrain',
    'ContrastiveProgressHook': 'mmpretrain',
    'ExportGeneratorHook': 'diffusers',
    'SampleGridHook': 'diffusers',
}

__all__ = ['__version__', *_EXPORTS]

check_stack()


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)
    if name in _NEEDS:
        check_module(_NEEDS[name])
    return getattr(import_module(f'{__name__}.{_EXPORTS[name]}'), name)
