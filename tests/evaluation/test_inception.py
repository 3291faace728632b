"""torch-fidelity's Inception, with random weights: none may be fetched."""

import numpy as np
import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3 as theirs

from mmdet_ddpm_moco.evaluation.features import (
    InceptionFeatures,
    choose_extractor,
    extract,
)

NAMES = ['logits_unbiased', '2048']


@pytest.fixture(scope='module')
def network():
    """Their network, with random weights."""
    patch = pytest.MonkeyPatch()
    network = theirs.FeatureExtractorInceptionV3
    patch.setattr(theirs, 'load_state_dict_from_url', lambda *a, **k: {})
    patch.setattr(network, 'load_state_dict', lambda *a, **k: None)
    torch.manual_seed(0)
    made = network('inception-v3-compat', NAMES)
    patch.undo()
    return made


@pytest.fixture
def file(tmp_path, network):
    """A file of its weights."""
    path = str(tmp_path / 'weights.pth')
    torch.save(network.state_dict(), path)
    return path


def test_features_and_logits_are_theirs(network, file):
    extractor = choose_extractor(file)
    assert isinstance(extractor, InceptionFeatures)
    rng = np.random.RandomState(0)
    picture = rng.randint(0, 256, (299, 299, 3)).astype(np.uint8)
    features, logits = extract(extractor, [picture], 'x')
    rgb = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1))
    with torch.no_grad():
        expected = network(torch.from_numpy(rgb)[None])
    torch.testing.assert_close(logits, expected[0])
    torch.testing.assert_close(features, expected[1])
    assert features.shape == (1, 2048) and logits.shape == (1, 1008)


def test_weights_of_another_inception(network, file):
    weights = dict(network.state_dict())
    weights['fc.weight'] = weights['fc.weight'][:1000]
    torch.save(weights, file)
    with pytest.raises(ValueError, match=r'weights\.pth has no') as error:
        choose_extractor(file)
    assert '\n' not in str(error.value)


def test_an_untrusted_file_is_read_as_weights_only(file, monkeypatch):
    # torch-fidelity unpickles what it gets; that must be our own copy.
    loaded = {}
    load = torch.load

    def watched(path, *args, **kwargs):
        loaded[str(path)] = kwargs.get('weights_only')
        return load(path, *args, **kwargs)

    monkeypatch.setattr(torch, 'load', watched)
    choose_extractor(file)
    # Before torch 2.6 our own unpickler reads the file.
    assert loaded.pop(file, True) is True
    assert len(loaded) == 1
