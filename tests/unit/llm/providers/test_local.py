"""What a model in this process is asked, chats and completions, and what happens to the others when one goes wrong."""

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
from labeler.llm.errors import LLMError, RejectedError
from labeler.llm.names import LLMName, open_backend
from labeler.llm.protocol import Address, Capabilities, Request
from labeler.llm.providers import local
from labeler.llm.providers import local_writer as writing
from labeler.models import logprobs as judging
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


ENDLESS = "endless"


@dataclasses.dataclass
class StandIn:
    """Stands in for the decoder: answers every prompt with itself, and keeps what it was to write."""

    texts: list = dataclasses.field(default_factory=list)
    threads: set = dataclasses.field(default_factory=set)
    text: str | None = None
    truncated: bool = False
    error: Exception | None = None
    gate: threading.Event = dataclasses.field(default_factory=threading.Event)
    called: threading.Event = dataclasses.field(default_factory=threading.Event)
    waiting: dict = dataclasses.field(default_factory=dict)

    def __call__(self, model, prefixes):
        self.model = model
        self.waiting = {}
        return self

    def add(self, name, wanted):
        self.texts.append(wanted)
        self.waiting[name] = wanted

    def drop(self, names):
        for name in names:
            self.waiting.pop(name, None)

    def step(self):
        self.threads.add(threading.current_thread())
        self.called.set()
        assert self.gate.wait(20)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        done = {name: wanted for name, wanted in self.waiting.items() if self.prompt(wanted) != ENDLESS}
        for name in done:
            del self.waiting[name]
        return {name: self.written(wanted) for name, wanted in done.items()}

    def written(self, wanted):
        return Generated(
            text=f" {self.prompt(wanted)}!" if self.text is None else self.text,
            input_tokens=7,
            cached_tokens=2,
            output_tokens=3,
            truncated=self.truncated,
        )

    def prompt(self, wanted):
        return self.model.tokenizer.decode(wanted.prompt).removeprefix("<|endoftext|>")

    def hold(self):
        """Let no further step end until the gate is set."""
        self.gate.clear()
        self.called.clear()

    async def held(self):
        """Return once a step stands before the gate."""
        assert await asyncio.to_thread(self.called.wait, 20)

    @property
    def prompts(self):
        return [self.prompt(wanted) for wanted in self.texts]


@pytest.fixture
def writer(monkeypatch):
    stand_in = StandIn()
    stand_in.gate.set()
    monkeypatch.setattr(writing, "Decoder", stand_in)
    return stand_in


NO_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<|im_start|>{{ message['content'] }}{% endfor %}"
)


def with_template(folder, template):
    backend = local.LocalBackend("local:tiny", str(folder))
    model = load_language_model(str(folder))
    backend._model = dataclasses.replace(model, tokenizer=copy.deepcopy(model.tokenizer))
    backend._model.tokenizer.chat_template = template
    return backend


async def ask(backend, prompt="Once", **fields):
    return await backend.ask(Request(prompt=prompt, **fields))


def test_the_backend_says_who_it_is_and_what_it_can(folder, backend):
    assert backend.name == f"local:{folder}"
    assert backend.address == Address("local", str(folder), None)
    assert backend.capabilities == Capabilities(schema=False, logprobs=True, shares_prefix=True)


async def test_a_real_model_answers_alike_alone_and_in_company(folder):
    load_language_model(str(folder)).module.float()
    prompts = ["the cat", "dogs and cats stood", "x", "bread"]
    backend = local.LocalBackend("local:tiny", str(folder))
    alone = [(await ask(backend, prompt, max_tokens=12)).text for prompt in prompts]
    together = await asyncio.gather(*(ask(backend, prompt, max_tokens=12) for prompt in prompts))
    assert [reply.text for reply in together] == alone


async def test_prompts_with_one_beginning_share_it(folder):
    backend = local.LocalBackend("local:tiny", str(folder))
    system = "Who ate my bread? We know: five grey cats, two black dogs & 1 fox!"
    first = await ask(backend, "x", system=system, max_tokens=2)
    second = await ask(backend, "y", system=system, max_tokens=2)
    third = await ask(backend, "z", system=system, max_tokens=2)
    assert first.usage.cached_tokens == second.usage.cached_tokens == 0
    assert 0 < third.usage.cached_tokens < third.usage.input_tokens


async def test_usage_counts_tokens_and_costs_nothing(backend, writer):
    usage = (await ask(backend)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.usd) == (7, 3, 2, 0.0)


@pytest.mark.parametrize("fields", [{}, {"system": "Be short."}, {"prompt": "ᚠ∮€ \x00"}])
async def test_no_call_takes_more_than_its_bound(backend, fields):
    request = Request(**{"prompt": "Once", "max_tokens": 5, **fields})
    usage = (await backend.ask(request)).usage
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


async def test_nothing_is_written_for_whoever_is_cancelled(backend, writer):
    task = asyncio.create_task(ask(backend, ENDLESS))
    assert (await ask(backend, "other")).text == "other!"
    assert len(writer.waiting) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await ask(backend, "next")).text == "next!"
    assert writer.waiting == {}


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

    monkeypatch.setattr(judging, "logprobs", judge)
    await asyncio.gather(ask(backend), ask(other), backend.logprobs("", ["x"]), other.logprobs("", ["x"]))
    assert len(writer.threads) == 1
    assert threading.current_thread() not in writer.threads


async def test_a_completion_is_the_prompt_continued_to_the_end_of_the_line(backend, writer):
    await ask(backend, "Words: a; b ->", max_tokens=9, temperature=0.5)
    assert writer.prompts == ["Words: a; b ->"]
    (wanted,) = writer.texts
    assert (wanted.max_tokens, wanted.temperature, wanted.stops) == (9, 0.5, ("\n",))


async def test_a_system_text_makes_it_a_chat(backend, writer):
    await ask(backend, "Hello", system="Be short.")
    assert writer.prompts == [
        "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    ]
    assert writer.texts[0].stops == ()


async def test_a_template_without_a_system_role_gets_it_with_the_question(folder, writer):
    await ask(with_template(folder, NO_SYSTEM), "Hello", system="Be short.")
    assert writer.prompts == ["<|im_start|>Be short.\n\nHello"]


async def test_what_a_template_refuses_is_rejected_and_hurts_nobody_else(folder, writer):
    backend = with_template(folder, "{{ raise_exception('not today') }}")
    good, bad = await asyncio.gather(ask(backend), ask(backend, system="Be short."), return_exceptions=True)
    assert good.text == "Once!"
    assert isinstance(bad, RejectedError)
    assert "not today" in str(bad)


async def test_without_a_template_the_system_text_stands_before_the_prompt(tmp_path, writer):
    backend = local.LocalBackend("local:tiny", str(save_tiny_model(tmp_path, chat=False)))
    await ask(backend, "Hello", system="Be short.")
    assert writer.prompts == ["Be short.\n\nHello"]
    assert writer.texts[0].stops == ("\n",)


async def test_further_draws_are_not_the_likeliest_answer_again(backend, writer):
    await asyncio.gather(*(ask(backend, draw=draw) for draw in (0, 1, 2)), ask(backend, draw=1, temperature=0.0))
    temperatures = [wanted.temperature for wanted in writer.texts]
    assert temperatures == [None, writing.REDRAW_TEMPERATURE, writing.REDRAW_TEMPERATURE, 0.0]
    assert len({wanted.seed for wanted in writer.texts}) == 3


async def test_a_schema_is_rejected(backend, writer):
    class Wanted(BaseModel):
        label: str

    with pytest.raises(RejectedError, match="schema"):
        await ask(backend, schema=Wanted)
    assert writer.texts == []


@pytest.mark.parametrize("system", ["", "Be short."])
async def test_an_empty_answer_is_a_reply_and_was_counted(backend, writer, system):
    writer.text = " \n"
    reply = await ask(backend, system=system)
    assert (reply.text, reply.stop, reply.usage.output_tokens) == ("", "end", 3)


async def test_only_a_chat_can_be_cut_short(backend, writer):
    writer.truncated = True
    completion, chat = await asyncio.gather(ask(backend), ask(backend, system="Hi"))
    assert (completion.text, completion.stop) == ("Once!", "end")
    assert (chat.stop, chat.usage.output_tokens) == ("truncated", 3)


def test_a_body_says_what_is_asked_without_the_model(tmp_path):
    backend = local.LocalBackend("local:none", str(tmp_path / "none"))
    assert backend.body(Request(prompt="One, two,", max_tokens=5)) == {
        "model": str(tmp_path / "none"),
        "max_tokens": 5,
        "prompt": "One, two,",
        "stop": ["\n"],
    }
    assert backend.body(Request(system="Be short.", prompt="Hello", max_tokens=5, temperature=0.5)) == {
        "model": str(tmp_path / "none"),
        "max_tokens": 5,
        "temperature": 0.5,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}],
    }


async def test_a_prompt_that_is_too_long_hurts_nobody_else(backend, writer):
    good, long = await asyncio.gather(ask(backend), ask(backend, "x" * CONTEXT), return_exceptions=True)
    assert good.text == "Once!"
    assert isinstance(long, RejectedError)


async def test_text_that_is_not_unicode_is_rejected(backend, writer):
    with pytest.raises(RejectedError, match="surrogate"):
        await ask(backend, "a\ud800")
    with pytest.raises(RejectedError, match="surrogate"):
        await backend.logprobs("", ["fine", "a\ud800"])


async def test_memory_that_runs_out_fails_those_who_were_asked_in_one_line(backend, writer):
    writer.error = RuntimeError("out of memory\nwhile allocating")
    for error in await asyncio.gather(ask(backend), ask(backend), return_exceptions=True):
        assert type(error) is LLMError
        assert str(error) == f"{backend.name}: out of memory"
    assert (await ask(backend)).text == "Once!"


async def test_other_errors_are_told_as_they_are(backend, writer):
    writer.error = error = KeyError("no such thing")
    assert await asyncio.gather(ask(backend), return_exceptions=True) == [error]
    assert (await ask(backend)).text == "Once!"


async def test_whoever_is_rejected_is_told_so_even_when_the_others_fail(backend, writer):
    writer.error = RuntimeError("out of memory")
    good, long = await asyncio.gather(ask(backend), ask(backend, "x" * CONTEXT), return_exceptions=True)
    assert "memory" in str(good)
    assert isinstance(long, RejectedError)


async def test_an_error_in_one_prompt_is_nobody_elses(backend, writer, monkeypatch):
    usual = writing.prompt_ids
    monkeypatch.setattr(writing, "prompt_ids", lambda model, text: {}[text] if text == "bad" else usual(model, text))
    good, bad = await asyncio.gather(ask(backend), ask(backend, "bad"), return_exceptions=True)
    assert good.text == "Once!"
    assert isinstance(bad, KeyError)


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
    expected = judging.logprobs(load_language_model(str(folder)), "a ", texts)
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
