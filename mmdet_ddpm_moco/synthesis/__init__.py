"""From a trained generator to a defect bank."""
