"""Delphi itself as the reference, in an environment of its own (about 1.5 GB, without a GPU).

    python3.11 -m venv delphi
    delphi/bin/pip install -r tests/optional/delphi/requirements.txt
    delphi/bin/pip install --no-deps eai-delphi==0.1.3
    LABELER_REFERENCE_DELPHI=$PWD/delphi/bin/python .venv/bin/pytest tests/optional/delphi

No vllm, and no stub for it: ``delphi.latents`` and ``delphi.config`` do not import it.
"""
