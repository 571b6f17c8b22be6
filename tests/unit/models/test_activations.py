"""What passes the hook points of every architecture, by what must hold between them."""

import functools

import pytest
import torch

from labeler.errors import InputError
from labeler.models.hooks import PLACES, HookPoint
from labeler.models.layouts import LAYOUTS
from tests.fakes.tiny_model import CONFIGURATIONS, VOCABULARY, tiny_language_model

PARALLEL = ("gpt_neox", "phi")
UNKNOWN = ("granite", "opt, norms behind", "mixtral", "qwen3_moe", "gpt_oss")
KNOWN = [name for name in CONFIGURATIONS if name not in UNKNOWN]
SEQUENTIAL = [name for name in KNOWN if name not in PARALLEL]
POST_NORMS = ("gemma2", "gemma3_text", "gemma3")
IDS = torch.randint(3, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(0))

load = functools.cache(tiny_language_model)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by more
    yield
    torch.set_num_threads(threads)


def at(model, *names):
    return model.activations(IDS, [HookPoint.parse(name) for name in names])


def same(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_residual_stream_is_what_the_model_itself_reports(name):
    model = load(name)
    with torch.inference_mode():
        reported = model.module(IDS, output_hidden_states=True).hidden_states
    last = len(model.layers()) - 1
    for layer in range(last + 1):
        same(at(model, f"blocks.{layer}.hook_resid_pre")[0], reported[layer])
    for layer in range(last):
        same(at(model, f"layers.{layer}")[0], reported[layer + 1])
    if name not in UNKNOWN:
        children = model.module.get_decoder().named_children()
        norm = next(module for child, module in children if child.startswith(("norm", "final", "ln_f")))
        with torch.inference_mode():
            same(norm(at(model, f"layers.{last}")[0]), reported[last + 1])


@pytest.mark.parametrize("name", KNOWN)
def test_what_attention_and_mlp_put_out_is_what_is_added_to_the_residual_stream(name):
    model = load(name)
    for layer in range(len(model.layers())):
        places = "hook_resid_pre", "hook_attn_out", "hook_mlp_out", "hook_resid_post"
        before, attention, mlp, behind = at(model, *(f"blocks.{layer}.{place}" for place in places))
        same(before + attention + mlp, behind)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_between_attention_and_mlp_the_residual_stream_has_attentions_part(name):
    before, attention, middle = at(load(name), *(f"blocks.1.hook_{p}" for p in ("resid_pre", "attn_out", "resid_mid")))
    same(before + attention, middle)


@pytest.mark.parametrize("name", PARALLEL)
def test_where_attention_and_mlp_run_side_by_side_there_is_no_between(name):
    with pytest.raises(InputError, match=r"has no place 'blocks\.1\.hook_resid_mid'; it has .*hook_resid_pre"):
        at(load(name), "blocks.1.hook_resid_mid")


@pytest.mark.parametrize("name", KNOWN)
def test_neurons_and_heads_write_through_the_linear_map_that_is_given(name):
    model = load(name)
    for place, written in (("mlp.hook_post", "hook_mlp_out"), ("attn.hook_z", "hook_attn_out")):
        hook = HookPoint(1, place)
        reads, adds = at(model, str(hook), f"blocks.1.{written}")
        through = model.writes(hook)
        assert through.dtype == torch.float32
        assert tuple(through.shape) == (model.width(hook), model.d_model) == (reads.shape[-1], 32)
        if name in POST_NORMS:  # all but that norm's division, one positive number a token
            same(torch.cosine_similarity(reads @ through, adds, dim=-1), torch.ones(IDS.shape))
        else:  # all but the bias, the same for every token
            bias = adds - reads @ through
            same(bias, bias[:1, :1].expand_as(bias))


@pytest.mark.parametrize("name", KNOWN)
def test_the_mlp_reads_the_normalised_residual_stream_scaled_and_shifted(name):
    model = load(name)
    plain, read = at(model, "blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_in")
    stream = at(model, "blocks.1.hook_resid_pre" if name in PARALLEL else "blocks.1.hook_resid_mid")[0]
    same(plain.square().mean(-1), torch.ones(IDS.shape))
    if name.startswith(("gpt", "opt", "phi")):  # a layer norm, which centres
        stream = stream - stream.mean(-1, keepdim=True)
    same(torch.cosine_similarity(plain, stream, dim=-1), torch.ones(IDS.shape))
    # One scale and one shift for all tokens: two tokens tell both, and the rest must agree.
    (x1, y1), (x2, y2) = (plain[0, 1], read[0, 1]), (plain[0, 2], read[0, 2])
    scale = (y1 - y2) / (x1 - x2)
    error = ((plain - x1) * scale + y1 - read).abs()
    assert float(error.median()) < 1e-3


@pytest.mark.parametrize("name", KNOWN)
def test_the_neurons_follow_from_what_they_read(name):
    model = load(name)
    if name.startswith(("gpt", "phi", "opt")):
        before, behind = at(model, "blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post")
        wanted = torch.relu(before) if name.startswith("opt") else torch.nn.functional.gelu(before, approximate="tanh")
        torch.testing.assert_close(behind, wanted, atol=2e-3, rtol=0)
    else:  # gated: the activation of the gate, times what it lets through
        before, behind, up = at(model, "blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post", "layers.1.mlp.up_proj")
        gelu = name.startswith("gemma")
        gate = torch.nn.functional.gelu(before, approximate="tanh") if gelu else torch.nn.functional.silu(before)
        same(gate * up, behind)


@pytest.mark.parametrize("name", KNOWN)
def test_several_hooks_in_one_pass_see_what_each_alone_sees(name):
    model = load(name)
    names = [f"blocks.{layer}.{place}" for layer in (1, 0) for place in PLACES if place != "hook_resid_mid"]
    for together, hook in zip(at(model, *names, names[0]), [*names, names[0]], strict=True):
        same(together, at(model, hook)[0])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_nothing_behind_the_deepest_hook_runs(name):
    model = load(name)
    ran = []
    modules = {module: path for path, module in model.layers().named_modules()}
    handles = [m.register_forward_hook(lambda m, *_: ran.append(modules[m])) for m in modules]
    try:
        at(model, "blocks.1.hook_resid_pre", "blocks.0.hook_resid_post")
        assert ran
        assert {path.split(".")[0] for path in ran} == {"0"}
    finally:
        for handle in handles:
            handle.remove()


def test_no_hook_stays_behind():
    model = tiny_language_model("llama")
    at(model, "blocks.1.hook_resid_post", "blocks.0.ln2.hook_normalized", "layers.0.mlp.input")
    with pytest.raises(InputError):
        at(model, "blocks.0.hook_resid_post", "layers.0.nowhere")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


@pytest.mark.parametrize(
    ("name", "hook", "same_place"),
    [
        ("llama", "model.layers.1.mlp", "blocks.1.hook_mlp_out"),
        ("llama", "layers.1.self_attn", "blocks.1.hook_attn_out"),
        ("llama", "layers.1.mlp.down_proj.input", "blocks.1.mlp.hook_post"),
        ("gpt2", "h.1.attn", "blocks.1.hook_attn_out"),
        ("gpt2", "h.1.mlp.act", "blocks.1.mlp.hook_post"),
        ("gpt_neox", "gpt_neox.layers.1.mlp", "blocks.1.hook_mlp_out"),
        ("gemma2", "model.layers.1.post_feedforward_layernorm.output", "blocks.1.hook_mlp_out"),
        ("gemma3", "model.layers.1.pre_feedforward_layernorm.output", "blocks.1.hook_mlp_in"),
        ("opt", "model.decoder.layers.1.fc1.input", "blocks.1.hook_mlp_in"),
    ],
)
def test_a_place_by_its_module(name, hook, same_place):
    found, wanted = at(load(name), hook, same_place)
    same(found, wanted)


def test_a_module_before_a_post_norm_is_not_what_is_added():
    raw, added = at(load("gemma2"), "layers.1.mlp", "blocks.1.hook_mlp_out")
    assert not torch.allclose(raw, added, atol=1e-2)


def test_neurons_by_their_module_write_like_neurons_by_their_name():
    model = load("mistral")
    by_name, by_module = map(
        model.writes, map(HookPoint.parse, ("blocks.1.mlp.hook_post", "layers.1.mlp.down_proj.input"))
    )
    assert torch.equal(by_name, by_module)


@pytest.mark.parametrize(
    "place", ["hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out"]
)
def test_what_is_in_the_residual_streams_basis_needs_no_map(place):
    assert load("llama").writes(HookPoint(0, place)) is None
    assert load("llama").width(HookPoint(0, place)) == 32


@pytest.mark.parametrize("hook", ["blocks.0.hook_mlp_in", "blocks.0.ln2.hook_normalized", "blocks.0.mlp.hook_pre"])
def test_what_is_only_read_writes_nothing(hook):
    assert load("llama").writes(HookPoint.parse(hook)) is None


def test_widths_differ_by_place():
    model = load("qwen3")
    widths = {place: model.width(HookPoint(2, place)) for place in PLACES}
    assert widths.pop("mlp.hook_pre") == widths.pop("mlp.hook_post") == 48
    assert widths.pop("attn.hook_z") == 4 * 16
    assert set(widths.values()) == {32}


@pytest.mark.parametrize("hook", ["blocks.3.hook_resid_post", "layers.9.mlp"])
def test_a_layer_that_is_not_there_is_named(hook):
    with pytest.raises(InputError, match="out of range: 'llama' has layers 0 to 2"):
        at(load("llama"), hook)


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_architecture_without_a_layout_still_has_its_residual_stream_and_its_modules(name):
    model = load(name)
    with pytest.raises(InputError, match=r"has no place 'blocks\.0\.hook_attn_out'; .*hook_resid_pre, hook_resid_post"):
        at(model, "blocks.0.hook_attn_out")
    stream, attention = at(model, "layers.0", "layers.0.self_attn")
    assert stream.shape == attention.shape == (*IDS.shape, 32)


@pytest.mark.parametrize("name", sorted({*UNKNOWN} - {"opt, norms behind"}))
def test_an_architecture_without_a_layout_has_what_its_mlp_or_its_experts_read_and_put_out(name):
    read, put_out, module_read, module = at(
        load(name), "blocks.0.hook_mlp_in", "blocks.0.hook_mlp_out", "layers.0.mlp.input", "layers.0.mlp"
    )
    assert read.shape == put_out.shape == (*IDS.shape, 32)
    same(read, module_read)
    same(put_out, module)
    assert not torch.allclose(read, put_out, atol=1e-3)


@pytest.mark.parametrize("hook", ["layers.0.mlp.act_fn.input", "layers.0.self_attn.input", "layers.0.input_layernorm"])
def test_any_module_of_a_block_can_be_seen(hook):
    assert at(load("llama"), hook)[0].shape[:2] == IDS.shape


def test_a_module_that_does_not_run_is_named():
    model = tiny_language_model("llama")
    model.layers()[0].idle = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"passes 'layers\.0\.idle' in 'llama'"):
        at(model, "layers.0.idle")


def test_padding_on_the_right_changes_nothing():
    for name in ("llama", "gemma2", "gpt2", "gpt_neox", "opt"):
        model, hook = load(name), [HookPoint(1, "hook_resid_post")]
        padded = torch.nn.functional.pad(IDS, (0, 5))
        same(model.activations(padded, hook)[0][:, : IDS.shape[1]], model.activations(IDS, hook)[0])


def test_bfloat16_is_near():
    model = tiny_language_model("gemma3_text")
    exact = at(model, "blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out")
    model.module.to(torch.bfloat16)
    for rough, fine in zip(at(model, "blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"), exact, strict=True):
        assert rough.dtype == torch.bfloat16
        assert float(torch.cosine_similarity(rough.float(), fine, dim=-1).min()) > 0.98


def test_every_layout_is_tried_here():
    tried = {load(name).module.config.get_text_config().model_type for name in KNOWN}
    assert {model_type for layout in LAYOUTS for model_type in layout.model_types} == tried
