"""Makers of inputs that are small enough for tests.

Imported as ``from helpers.<module> import <name>``; fixtures are in the
``conftest.py`` of ``tests/`` and its folders.

===================  ==========================================================
module               makes
===================  ==========================================================
attack               a checkpoint whose pickle runs code
contrastive_images   images and COCO jsons of contrastive sources
made_bank            images with bright defects, a bank on them, and a judge
                     that detects bright areas
made_records         a bank of two blocks, without a generator
made_test_sets       test sets and detections
made_windows         windows and features for the evaluation of a bank
oracle               a U-Net that returns the clean windows
painted_windows      banks whose windows have a color each
tiny_bank            a bank of six windows
tiny_banks           labeled images and a generator, to synthesize from
tiny_ddpm            a ``DefectDDPM`` and its batches
tiny_detection       labeled images, a bank on them and detectors
tiny_experiment      an experiment, and tools that only pretend to train
tiny_moco            a ``DatasetMoCo`` and its batches
tiny_pretrain        configs of contrastive training, for the speed tables
tiny_ranks           processes that synthesize one bank
tiny_runs            a model with a backbone, and runs of milliseconds
tiny_stages          configs of a generator, a backbone and a detector
tiny_synthesis       a generator and its config, for the speed tables
view_images          images for views, and pipelines that make them
voc_maker            VOC data sets, and conversions read back
===================  ==========================================================
"""
