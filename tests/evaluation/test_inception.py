"""torch-fidelity's Inception, with random weights: none may be fetched."""

import io

import numpy as np
import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3 as theirs

from mmdet_ddpm_moco.evaluation.features import choose_extractor, extract
from mmdet_ddpm_moco.evaluation.inception import InceptionFeatures

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


def test_features_and_logits_are_theirs(network):
    weights = network.state_dict()
    extractor = choose_extractor('weights.pth', lambda path: weights)
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


def test_weights_of_another_inception(network):
    weights = dict(network.state_dict())
    weights['fc.weight'] = weights['fc.weight'][:1000]
    with pytest.raises(ValueError, match=r'weights\.pth holds no') as error:
        choose_extractor('weights.pth', lambda path: weights)
    assert '\n' not in str(error.value)


def test_a_file_is_never_unpickled_by_torch_fidelity(network, monkeypatch):
    # It loads without care; what it loads must be of our making.
    loaded = []
    load = torch.load

    def watched(file, *args, **kwargs):
        loaded.append(str(file))
        return load(file, *args, **kwargs)

    monkeypatch.setattr(torch, 'load', watched)
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    weights = load(buffer, weights_only=True)
    choose_extractor('strangers.pth', lambda path: weights)
    assert len(loaded) == 1 and 'strangers' not in loaded[0]
