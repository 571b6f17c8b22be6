"""Requests in batches, chats and completions, and what happens to the others when one goes wrong."""

import asyncio
import copy
import dataclasses
import sys
import threading

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from labeler.errors import InputError, MissingExtraError
from labeler.llm import local
from labeler.llm.errors import LLMError, MalformedError, RejectedError, TruncatedError
from labeler.llm.names import LLMName, open_backend
from labeler.llm.protocol import Capabilities, Request
from labeler.models import generation
from labeler.models.generation import Generated
from labeler.models.language import load_language_model
from tests.fakes import environment
from tests.fakes.tiny_model import CONTEXT, save_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by more
    yield save_tiny_model(tmp_path_factory.mktemp("tiny"))
    torch.set_num_threads(threads)


@pytest.fixture
def backend(folder):
    return open_backend(f"local:{folder}", environment.settings())


@dataclasses.dataclass
class Writer:
    """Stands in for ``generate``: answers every prompt with itself, and keeps what it was called with."""

    calls: list = dataclasses.field(default_factory=list)
    threads: set = dataclasses.field(default_factory=set)
    text: str | None = None
    truncated: bool = False
    error: Exception | None = None
    gate: threading.Event = dataclasses.field(default_factory=threading.Event)
    called: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __call__(self, model, prompts, **options):
        self.threads.add(threading.current_thread())
        self.calls.append((list(prompts), options))
        self.called.set()
        assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return [
            Generated(f" {prompt}!" if self.text is None else self.text, 7, 3, self.truncated) for prompt in prompts
        ]

    def hold(self):
        """Let no further call return until the gate is set."""
        self.gate.clear()
        self.called.clear()

    async def held(self):
        """Return once a call stands before the gate."""
        assert await asyncio.to_thread(self.called.wait, 20)

    @property
    def prompts(self):
        return [prompts for prompts, _ in self.calls]


@pytest.fixture
def writer(monkeypatch):
    stand_in = Writer()
    stand_in.gate.set()
    monkeypatch.setattr(generation, "generate", stand_in)
    return stand_in


async def ask(backend, prompt="Once", **fields):
    return await backend.ask(Request(prompt=prompt, **fields))


def test_the_backend_says_who_it_is_and_what_it_can(folder, backend):
    assert backend.name == f"local:{folder}"
    assert backend.capabilities == Capabilities(schema=False, logprobs=True, shares_prefix=True)


async def test_many_at_once_are_answered_in_batches(backend, writer):
    answers = await asyncio.gather(*(ask(backend, f"prompt {i}") for i in range(40)))
    assert [answer.text for answer in answers] == [f"prompt {i}!" for i in range(40)]
    assert [len(prompts) for prompts in writer.prompts] == [16, 16, 8]


async def test_what_comes_while_a_batch_runs_is_one_batch(backend, writer):
    writer.hold()
    first = asyncio.create_task(ask(backend, "first"))
    await writer.held()
    rest = [asyncio.create_task(ask(backend, f"later {i}")) for i in range(5)]
    await asyncio.sleep(0)  # one step of the loop, in which each of them joins the queue
    writer.gate.set()
    await asyncio.gather(first, *rest)
    assert writer.prompts == [["first"], [f"later {i}" for i in range(5)]]


async def test_a_real_model_answers_alike_alone_and_in_company(folder):
    load_language_model(str(folder)).module.float()
    prompts = ["the cat", "dogs and cats stood", "x", "bread"]
    backend = local.LocalBackend("local:tiny", str(folder))
    alone = [await outcome(backend, prompt, max_tokens=12) for prompt in prompts]
    together = await asyncio.gather(*(outcome(backend, prompt, max_tokens=12) for prompt in prompts))
    assert together == alone


async def outcome(backend, prompt, **fields):
    try:
        return (await ask(backend, prompt, **fields)).text
    except MalformedError:
        return None


async def test_usage_counts_tokens_and_costs_nothing(backend, writer):
    usage = (await ask(backend)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.usd) == (7, 3, 0, 0.0)


@pytest.mark.parametrize("fields", [{}, {"system": "Be short."}, {"prompt": "ᚠ∮€ \x00"}])
async def test_no_call_takes_more_than_its_bound(backend, fields):
    request = Request(**{"prompt": "Once", "max_tokens": 5, **fields})
    try:
        usage = (await backend.ask(request)).usage
    except LLMError as error:
        usage = error.usage
    bound = backend.bound(request)
    assert 0 < usage.input_tokens <= bound.input_tokens
    assert 0 < usage.output_tokens <= bound.output_tokens == 5
    assert bound.usd == 0.0


async def test_a_cancelled_caller_takes_nothing_from_the_others(backend, writer):
    writer.hold()
    tasks = [asyncio.create_task(ask(backend, f"prompt {i}")) for i in range(3)]
    await writer.held()
    tasks[1].cancel()
    late = asyncio.create_task(ask(backend, "late"))
    writer.gate.set()
    assert [answer.text for answer in await asyncio.gather(tasks[0], tasks[2], late)] == [
        "prompt 0!",
        "prompt 2!",
        "late!",
    ]
    assert tasks[1].cancelled()


async def test_whoever_is_cancelled_before_the_batch_is_not_in_it(backend, writer):
    writer.hold()
    first = asyncio.create_task(ask(backend, "first"))
    await writer.held()
    gone, stays = (asyncio.create_task(ask(backend, prompt)) for prompt in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    writer.gate.set()
    await asyncio.gather(first, stays)
    assert writer.prompts == [["first"], ["stays"]]


def test_one_event_loop_after_another_may_use_it(backend, writer):
    async def drain(prompt):
        return [answer.text for answer in await asyncio.gather(ask(backend, prompt), ask(backend, prompt))]

    async def abandon():
        writer.hold()
        task = asyncio.create_task(ask(backend, "abandoned"))
        await writer.held()
        writer.gate.set()
        return task

    assert asyncio.run(drain("one")) == ["one!", "one!"]
    assert asyncio.run(abandon()).cancelled()
    assert asyncio.run(drain("two")) == ["two!", "two!"]


async def test_all_models_of_the_process_share_one_thread(folder, backend, writer, monkeypatch):
    other = local.LocalBackend("local:other", str(folder))

    def judge(model, prefix, texts, among):
        writer.threads.add(threading.current_thread())
        return []

    monkeypatch.setattr(generation, "logprobs", judge)
    await asyncio.gather(ask(backend), ask(other), backend.logprobs("", ["x"]), other.logprobs("", ["x"]))
    assert len(writer.threads) == 1
    assert threading.current_thread() not in writer.threads


async def test_a_completion_is_the_prompt_continued_to_the_end_of_the_line(backend, writer):
    await ask(backend, "Words: a; b ->", max_tokens=9, temperature=0.5)
    prompts, options = writer.calls[0]
    assert prompts == ["Words: a; b ->"]
    assert (options["max_tokens"], options["temperatures"], options["stops"]) == ([9], [0.5], [("\n",)])


async def test_a_system_text_makes_it_a_chat(backend, writer):
    await ask(backend, "Hello", system="Be short.")
    prompts, options = writer.calls[0]
    assert prompts == [
        "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    ]
    assert options["stops"] == [()]


async def test_a_template_without_a_system_role_gets_it_with_the_question(folder, writer):
    template = (
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<|im_start|>{{ message['content'] }}{% endfor %}"
    )
    backend = local.LocalBackend("local:tiny", str(folder))
    model = load_language_model(str(folder))
    backend._model = dataclasses.replace(model, tokenizer=copy.deepcopy(model.tokenizer))
    backend._model.tokenizer.chat_template = template
    await ask(backend, "Hello", system="Be short.")
    assert writer.prompts == [["<|im_start|>Be short.\n\nHello"]]


async def test_without_a_template_the_system_text_stands_before_the_prompt(tmp_path, writer):
    backend = local.LocalBackend("local:tiny", str(save_tiny_model(tmp_path, chat=False)))
    await ask(backend, "Hello", system="Be short.")
    prompts, options = writer.calls[0]
    assert prompts == ["Be short.\n\nHello"]
    assert options["stops"] == [("\n",)]


async def test_further_draws_are_not_the_likeliest_answer_again(backend, writer):
    await asyncio.gather(*(ask(backend, draw=draw) for draw in (0, 1, 2)), ask(backend, draw=1, temperature=0.0))
    options = writer.calls[0][1]
    assert options["temperatures"] == [None, local.REDRAW_TEMPERATURE, local.REDRAW_TEMPERATURE, 0.0]
    assert len(set(options["seeds"])) == 3


async def test_a_schema_is_rejected(backend, writer):
    class Wanted(BaseModel):
        label: str

    with pytest.raises(RejectedError, match="schema"):
        await ask(backend, schema=Wanted)
    assert writer.calls == []


@pytest.mark.parametrize("system", ["", "Be short."])
async def test_an_empty_answer_is_malformed_and_was_counted(backend, writer, system):
    writer.text = " \n"
    with pytest.raises(MalformedError, match="empty") as caught:
        await ask(backend, system=system)
    assert caught.value.usage.output_tokens == 3


async def test_only_a_chat_can_be_cut_short(backend, writer):
    writer.truncated = True
    completion, chat = await asyncio.gather(ask(backend), ask(backend, system="Hi"), return_exceptions=True)
    assert completion.text == "Once!"
    assert isinstance(chat, TruncatedError)
    assert chat.usage.output_tokens == 3


async def test_a_prompt_that_is_too_long_hurts_nobody_else(backend, writer):
    good, long = await asyncio.gather(ask(backend), ask(backend, "x" * CONTEXT), return_exceptions=True)
    assert good.text == "Once!"
    assert isinstance(long, RejectedError)


async def test_text_that_is_not_unicode_is_rejected(backend, writer):
    with pytest.raises(RejectedError, match="surrogate"):
        await ask(backend, "a\ud800")
    with pytest.raises(RejectedError, match="surrogate"):
        await backend.logprobs("", ["fine", "a\ud800"])


async def test_a_failing_batch_leaves_the_next_one_its_chance(backend, writer):
    writer.error = RuntimeError("out of memory")
    failed = await asyncio.gather(ask(backend), ask(backend), return_exceptions=True)
    assert failed == [writer.error, writer.error]
    writer.error = None
    assert (await ask(backend)).text == "Once!"


async def test_a_model_that_cannot_be_loaded_is_an_input_error_to_all(tmp_path, writer):
    backend = local.LocalBackend("local:empty", str(tmp_path))
    errors = await asyncio.gather(ask(backend), ask(backend), backend.logprobs("", ["x"]), return_exceptions=True)
    assert [type(error) for error in errors] == [InputError] * 3
    assert str(tmp_path) in str(errors[0])


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[local\]'"):
        local.open_local(LLMName("local", "tiny"), environment.settings())


async def test_closing_answers_those_who_wait_with_an_error(backend, writer):
    writer.hold()
    running = asyncio.create_task(ask(backend, "running"))
    await writer.held()
    waiting = asyncio.create_task(ask(backend, "waiting"))
    await asyncio.sleep(0)
    await backend.close()
    writer.gate.set()
    for error in await asyncio.gather(running, waiting, return_exceptions=True):
        assert isinstance(error, LLMError)


async def test_closing_before_the_first_step_leaves_nobody_waiting(backend, writer):
    task = asyncio.create_task(ask(backend))
    await asyncio.sleep(0)
    await backend.close()
    with pytest.raises(LLMError, match="closed"):
        await task


async def test_closing_what_was_never_used_is_nothing(backend):
    await backend.close()


async def test_logprobs_come_from_the_model(folder, backend):
    texts = ["the cat", "", "dogs"]
    expected = generation.logprobs(load_language_model(str(folder)), "a ", texts)
    for ours, theirs in zip(await backend.logprobs("a ", texts), expected, strict=True):
        assert np.array_equal(ours.offsets, theirs.offsets)
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, atol=1e-5)
    with pytest.raises(RejectedError, match=f"{CONTEXT}"):
        await backend.logprobs("", ["x" * CONTEXT])


async def test_alternatives_are_what_the_model_would_have_said_instead(backend):
    texts = ["the cat", "", "1", "3 dogs sat 1"]
    others = ("1", "3", "?")
    compared = 0
    for text, one in zip(texts, await backend.logprobs("a ", texts, others), strict=True):
        assert one.among.shape == (len(one.logprobs), 3)
        for at, (begin, end) in enumerate(one.offsets):
            for column, other in enumerate(others):
                (instead,) = await backend.logprobs("a ", [text[:begin] + other])
                assert one.among[at, column] == pytest.approx(instead.logprobs[-1], abs=1e-3)
                compared += 1
            if text[begin:end] in others:
                assert one.among[at, others.index(text[begin:end])] == one.logprobs[at]
    assert compared > 20
    assert (await backend.logprobs("a ", texts))[0].among is None


async def test_an_alternative_that_is_not_one_token_is_rejected_in_one_line(backend):
    with pytest.raises(RejectedError, match=r"'xyzzy' is not one token of") as caught:
        await backend.logprobs("", ["the cat"], ("1", "xyzzy"))
    assert "\n" not in str(caught.value)


async def test_nothing_stays_behind_on_the_loop(backend, writer):
    await ask(backend)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
