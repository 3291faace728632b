"""What a defect bank is worth before a detector is trained with it.

Checkpoints come in as dicts that the tool loaded, so that nothing here needs
``engine/``.
"""
