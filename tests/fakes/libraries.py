"""Imports what takes long to import, for processes that are forked off; nothing of this package's own."""

import aiohttp
import alembic.command
import anthropic
import anthropic.types
import celery
import fsspec
import genai_prices
import jinja2
import numpy
import openai
import openai.types.chat
import pydantic_settings
import redis.asyncio
import rich.progress
import safetensors.numpy
import sqlalchemy
import sqlmodel
import torch
import typer
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

__all__: list[str] = []
