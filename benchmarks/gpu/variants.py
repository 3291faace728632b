"""Which shipped configs are run on a GPU, and in which number formats."""

from dataclasses import dataclass, field

BF16 = 'mmdet_ddpm_moco.Bf16OptimWrapper'
# Of mmcv's operators in a detector none knows bfloat16.
FP16 = 'AmpOptimWrapper'
NO_FP16 = 'float16 needs a GPU'
NO_PINNED = 'pinned memory needs a GPU'
NO_COMPILE = 'one core would compile for minutes'


@dataclass(frozen=True)
class Variant:
    """A way to run a config.

    Attributes:
        name (str): As rows name it.
        wrapper (str, optional): Type of the optimizer wrapper; None as
            shipped.
        channels_last (bool, optional): Memory layout; None as shipped.
        compiled (str, optional): The part of the model to compile.
        benchmark (bool): Let cuDNN choose its algorithms by timing.
        workers (int, optional): Of the data loader; None as shipped.
        pinned (bool): Batches in pinned memory, which a copy does not wait
            for.
        fused (bool): The optimizer in one kernel.
        needs_gpu (str): Why it does not run on a CPU.
        seconds (float): What it may take, on a GPU.
    """

    name: str
    wrapper: str | None = None
    channels_last: bool | None = None
    compiled: str | None = None
    benchmark: bool = False
    workers: int | None = None
    pinned: bool = False
    fused: bool = False
    needs_gpu: str = ''
    seconds: float = 10


@dataclass(frozen=True)
class Stage:
    """A config to run.

    Attributes:
        part (str): The part of the check.
        name (str): As rows name it.
        config (str): Path below ``configs``.
        variants (tuple[Variant, ...]): Most valuable first.
        small (dict): Settings that make it small enough for a CPU.
        batch (Callable): Samples in a batch of the data loader.
    """

    part: str
    name: str
    config: str
    variants: tuple[Variant, ...]
    small: dict = field(default_factory=dict)


UNET_VARIANTS = (
    Variant('as shipped'),
    Variant('bf16, channels last', BF16, channels_last=True),
    Variant(
        'bf16, channels last, fused AdamW, pinned',
        BF16,
        channels_last=True,
        pinned=True,
        fused=True,
        needs_gpu=NO_PINNED,
    ),
    Variant('fp32', 'OptimWrapper'),
)
SMALL_UNET = {
    'model.unet.block_out_channels': (16, 16, 32, 32),
    'model.unet.layers_per_block': 1,
    'model.unet.norm_num_groups': 8,
    'model.unet.attention_head_dim': 16,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.window': 32,
}
STAGES = (
    Stage(
        'generator',
        'unet64',
        'ddpm/ddpm_unet64_1xb64-20ki_neu-det.py',
        UNET_VARIANTS,
        {**SMALL_UNET, 'train_dataloader.dataset.max_window': 48},
    ),
    Stage(
        'generator',
        'paper',
        'ddpm/ddpm_paper_1xb32-40ki_neu-det.py',
        (
            Variant('as shipped'),
            Variant('bf16, channels last', BF16, channels_last=True),
            # The only one whose windows are all of one size.
            Variant(
                'bf16, channels last, compiled',
                BF16,
                channels_last=True,
                compiled='unet',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {**SMALL_UNET, 'train_dataloader.dataset.window': 48},
    ),
    Stage(
        'contrast',
        'r50',
        'mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py',
        (
            Variant('as shipped'),
            Variant('bf16, channels last', BF16, channels_last=True),
            Variant('bf16', BF16, channels_last=False),
            Variant(
                'bf16, channels last, cuDNN benchmark, pinned, 14 workers',
                BF16,
                channels_last=True,
                benchmark=True,
                workers=14,
                pinned=True,
                needs_gpu=NO_PINNED,
                seconds=20,
            ),
            Variant(
                'bf16, channels last, compiled',
                BF16,
                channels_last=True,
                compiled='backbone',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {
            'model.backbone.depth': 50,
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': 256,
            'model.neck.hid_channels': 64,
            'model.queue_len': 64,
            'train_dataloader.batch_size': 8,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.pipeline.0.scale': 64,
        },
    ),
    Stage(
        'detector',
        'faster_rcnn',
        'faster_rcnn_ddpm_moco.py',
        (
            Variant('as shipped'),
            Variant(
                'fp16, channels last, 8 workers',
                FP16,
                channels_last=True,
                workers=8,
                needs_gpu=NO_FP16,
            ),
            Variant('fp16', FP16, needs_gpu=NO_FP16),
            Variant('fp32, channels last', 'OptimWrapper', channels_last=True),
            Variant(
                'fp32, backbone compiled',
                'OptimWrapper',
                compiled='backbone',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': [32, 64, 128, 256],
            'model.neck.out_channels': 32,
            'model.rpn_head.in_channels': 32,
            'model.rpn_head.feat_channels': 32,
            'model.roi_head.bbox_roi_extractor.out_channels': 32,
            'model.roi_head.bbox_head.in_channels': 32,
            'model.roi_head.bbox_head.fc_out_channels': 64,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
        },
    ),
)
