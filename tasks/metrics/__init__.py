"""Metrics of whole splits: accuracy, overlap of masks, spans, average precision of boxes.

They are ours, though torchmetrics, seqeval and pycocotools have them: each file says what the library's
would cost. Their values agree (``python -m benchmarks.metrics``).
"""
