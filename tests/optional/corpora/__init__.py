"""The package ``datasets`` as the reference, in an environment of its own.

python3 -m venv datasets && datasets/bin/pip install datasets
LABELER_REFERENCE_DATASETS=$PWD/datasets/bin/python .venv/bin/pytest tests/optional/corpora
"""
