"""A bank knows the kind of device that it was started on."""

import json

import pytest

from helpers.made_records import SETTINGS, write
from mmdet_ddpm_moco.bank.lock import bank_lock, is_started
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.bank.writer import BankWriter

HERE = {**SETTINGS, 'device': 'cpu avx2'}
THERE = {**SETTINGS, 'device': 'cuda NVIDIA H100'}


def start(root, settings):
    with bank_lock(root, settings) as found:
        return found


def test_it_is_resumed_on_the_same_kind(tmp_path):
    assert start(tmp_path, HERE) == HERE
    assert start(tmp_path, HERE) == HERE
    assert json.loads((tmp_path / 'settings.json').read_text()) == {
        'format_version': 1,
        **HERE,
    }


@pytest.mark.parametrize(('first', 'second'), [(HERE, THERE), (THERE, HERE)])
def test_it_is_not_resumed_on_another_kind(tmp_path, first, second):
    start(tmp_path, first)
    with pytest.raises(ValueError, match='another kind of device') as error:
        start(tmp_path, second)
    message = str(error.value)
    assert first['device'] in message
    assert second['device'] in message
    assert str(tmp_path) in message
    assert start(tmp_path, first) == first


def test_other_settings_are_told_before_the_device(tmp_path):
    start(tmp_path, HERE)
    with pytest.raises(ValueError, match='other settings'):
        start(tmp_path, {**THERE, 'seed': 99})


def test_a_bank_of_an_older_version_stays_unknown(tmp_path):
    start(tmp_path, SETTINGS)
    assert start(tmp_path, HERE) == SETTINGS
    assert 'device' not in (tmp_path / 'settings.json').read_text()


def test_who_names_no_device_finds_a_bank_of_any(tmp_path):
    start(tmp_path, HERE)
    assert is_started(tmp_path, SETTINGS)
    assert is_started(tmp_path, HERE)
    assert not is_started(tmp_path, THERE)
    assert not is_started(tmp_path, {**SETTINGS, 'seed': 99})


@pytest.mark.parametrize('settings', [SETTINGS, HERE])
def test_the_manifest_has_it_and_may_lack_it(tmp_path, settings):
    write(tmp_path, settings=settings)
    bank = DefectBank(tmp_path)
    assert bank.manifest.get('device') == settings.get('device')
    assert BankWriter(tmp_path, settings).settings == settings
