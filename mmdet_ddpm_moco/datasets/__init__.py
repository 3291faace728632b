"""Data: demo plates, dataset classes, the defect bank and compositing."""
