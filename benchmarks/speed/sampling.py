"""Sampling as synthesis runs it, against DDPM through all steps."""

import copy
from statistics import median

import torch
from diffusers import DDPMScheduler
from tqdm import tqdm

from benchmarks.speed.table import Row
from benchmarks.speed.timing import seconds
from benchmarks.speed.windows import WindowBatch, our_sampling
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    denormalize,
    normalize,
)
from mmdet_ddpm_moco.models.conditioning import masked_image
from mmdet_ddpm_moco.synthesis.gates import QualityGates
from mmdet_ddpm_moco.synthesis.generator import Generator
from mmdet_ddpm_moco.synthesis.painter import WindowPainter
from mmdet_ddpm_moco.synthesis.planner import WindowPlanner
from mmdet_ddpm_moco.synthesis.samplers import build_sampler
from mmdet_ddpm_moco.synthesis.settings import BankOptions

PART = 'sampling'


def sampling_rows(
    generator: Generator,
    batch: WindowBatch,
    options: BankOptions,
    repeats: int,
    device: str,
) -> list[Row]:
    """Compares sampling as synthesis runs it with DDPM, on one batch.

    Ours is timed before and after DDPM, which takes minutes, so that a
    change of the load of the machine favors neither much.

    Args:
        generator (Generator): Its U-Net is on the device.
        batch (WindowBatch): The windows.
        options (BankOptions): The sampler.
        repeats (int): Runs of ours before, and again after, at least 1.
        device (str): Where the U-Net runs.

    Returns:
        list[Row]: Windows per second of both, and their ratio.
    """
    ours = our_sampling(generator, batch, options)
    trained = generator.scheduler
    # With the clipping range of our samplers.
    schedule = build_sampler('ddpm', trained)
    # In the memory layout that diffusers loads a U-Net in.
    unet = copy.deepcopy(generator.unet)
    unet = unet.to(memory_format=torch.contiguous_format)
    steps = trained.config.num_train_timesteps

    def timed() -> list[float]:
        runs = tqdm(range(repeats), 'sampling', unit='run')
        return [seconds(ours, device) for _ in runs]

    ours()
    took = timed()
    ddpm = seconds(lambda: ddpm_sampling(unet, schedule, batch), device)
    took = median(took + timed())
    number = len(batch.image)
    name = f'{options.sampler}, {options.num_inference_steps} steps'
    runs = f'median of {2 * repeats} runs, half before and half after DDPM'
    return [
        Row(
            PART,
            f'DDPM, {steps} steps, fp32',
            number / ddpm,
            'windows/s',
            f'1 run of a batch of {number}',
        ),
        Row(PART, name, number / took, 'windows/s', runs),
        Row(PART, f'{name} against DDPM', ddpm / took, 'x', runs, least=40),
    ]


def painting_rows(
    generator: Generator,
    data: LabeledImages,
    options: BankOptions,
    windows: int,
    device: str,
) -> list[Row]:
    """Times windows of a bank: painted, composited, checked by the gates.

    Args:
        generator (Generator): The generator.
        data (LabeledImages): The host images.
        options (BankOptions): Of the bank.
        windows (int): Windows to paint, at least 1.
        device (str): Where the U-Net runs.

    Returns:
        list[Row]: Windows painted and windows accepted, per second.
    """
    planner = WindowPlanner(
        data,
        max_window=options.max_window,
        mix=options.mix,
        seed=options.seed,
    )
    painter = WindowPainter(
        generator,
        data,
        QualityGates(data, planner),
        options,
        device,
    )
    plans = {number: planner.plan(number) for number in range(windows)}
    painter.paint({0: plans[0]})
    accepted = []

    def paint() -> None:
        for record in painter.paint(plans)[0]:
            accepted.append(record['rejected'] is None)

    took = seconds(paint, device)
    how = f'1 run of {windows} windows of all kinds and sizes, and the gates'
    return [
        Row(PART, 'painted and checked', windows / took, 'windows/s', how),
        Row(
            PART,
            'accepted',
            sum(accepted) / took,
            'windows/s',
            f'{sum(accepted)} of these {windows}',
        ),
    ]


@torch.no_grad()
def ddpm_sampling(
    unet: torch.nn.Module,
    scheduler: DDPMScheduler,
    batch: WindowBatch,
    source: torch.Generator | None = None,
) -> torch.Tensor:
    """Samples through all steps of the schedule with diffusers' DDPM.

    The input of the U-Net is that of :func:`sample_windows`, in float32.
    Source: Ho et al., 2020, algorithm 2.

    Args:
        unet (nn.Module): A ``UNet2DModel`` conditioned by mask.
        scheduler (DDPMScheduler): The schedule.
        batch (WindowBatch): The windows.
        source (torch.Generator, optional): Of the noise in each step.
            Defaults to None, torch's global one.

    Returns:
        torch.Tensor: float32 (N, C, H, W) in [-1, 1].
    """
    scheduler.set_timesteps(
        scheduler.config.num_train_timesteps, device=batch.image.device
    )
    ground = background_statistics(batch.image, batch.mask)
    known = masked_image(normalize(batch.image, *ground), batch.mask)
    sample = batch.noise
    for timestep in tqdm(scheduler.timesteps, 'DDPM', unit='step'):
        prediction = unet(
            torch.cat([sample, known], dim=1),
            timestep,
            class_labels=batch.label,
        ).sample
        sample = scheduler.step(
            prediction, timestep, sample, generator=source
        ).prev_sample
    return denormalize(sample, *ground).clamp(-1, 1)
