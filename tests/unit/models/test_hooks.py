"""Names of hook points, in the language of TransformerLens and of Hugging Face."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.models.hooks import PLACES, HookPoint


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_its_own_name(place):
    hook = HookPoint.parse(f"blocks.11.{place}")
    assert (hook.layer, hook.place, str(hook)) == (11, place, f"blocks.11.{place}")


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("layers.14", "blocks.14.hook_resid_post"),
        ("model.layers.14", "blocks.14.hook_resid_post"),
        ("model.layers.14.output", "blocks.14.hook_resid_post"),
        ("model.layers.14.input", "blocks.14.hook_resid_pre"),
        ("model.language_model.layers.3", "blocks.3.hook_resid_post"),
        ("model.decoder.layers.3", "blocks.3.hook_resid_post"),
        ("transformer.h.3", "blocks.3.hook_resid_post"),
        ("h.3.attn", "layers.3.attn"),
        ("gpt_neox.layers.3", "blocks.3.hook_resid_post"),
        ("layers.14.mlp", "layers.14.mlp"),
        ("layers.14.self_attn", "layers.14.self_attn"),
        ("layers.14.mlp.output", "layers.14.mlp"),
        ("layers.14.mlp.input", "layers.14.mlp.input"),
        ("model.layers.12.pre_feedforward_layernorm.output", "layers.12.pre_feedforward_layernorm"),
        ("blocks.7.mlp.hook_in", "blocks.7.hook_mlp_in"),
    ],
)
def test_a_module_is_a_place_too(name, canonical):
    assert str(HookPoint.parse(name)) == canonical
    assert HookPoint.parse(canonical) == HookPoint.parse(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "blocks.3",
        "blocks.3.hook_resid",
        "blocks.x.hook_resid_post",
        "blocks.-1.hook_resid_post",
        "blocks.99999.hook_resid_post",
        "blocks.٣.hook_resid_post",
        "blocks.3.hook_resid_post\n",
        "vision_tower.encoder.layers.3",
        "layers.3..mlp",
        "layers.3.norm:normalised",
        "hook_embed",
        "layers." + "1" * 5_000,
    ],
)
def test_other_names_are_refused_and_told_what_there_is(name):
    with pytest.raises(InputError, match="unknown hook point") as caught:
        HookPoint.parse(name)
    assert "hook_resid_post" in str(caught.value)


@given(st.from_regex(r"(blocks|layers|model\.layers|h)\.[0-9]{1,5}(\.[a-z_0-9]{1,12}){0,3}", fullmatch=True))
def test_a_name_that_is_read_is_written_so_that_it_reads_the_same(name):
    try:
        hook = HookPoint.parse(name)
    except InputError:
        return
    assert HookPoint.parse(str(hook)) == hook
