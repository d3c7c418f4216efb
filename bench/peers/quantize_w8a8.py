"""Quantizes a model's linear layers to 8 bits in the format that vLLM reads (compressed-tensors, W8A8): one scale per output channel,
activations rounded per token while the model runs. Embeddings and the output layer keep their type. Usage: quantize_w8a8.py MODEL OUT
"""
import json, shutil, sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file

model, out = map(Path, sys.argv[1:])
out.mkdir(parents=True)
tensors = {}
for name, weight in load_file(model / 'model.safetensors').items():
    if not name.endswith('proj.weight'):
        tensors[name] = weight
        continue
    scale = weight.float().abs().amax(1, keepdim=True) / 127
    tensors[name] = (weight.float() / scale).round().to(torch.int8)
    tensors[f'{name}_scale'] = scale
save_file(tensors, out / 'model.safetensors', {'format': 'pt'})
for file in model.iterdir():
    if file.suffix != '.safetensors':
        shutil.copy(file, out)
rounding = {'num_bits': 8, 'type': 'int', 'symmetric': True}
group = {
    'targets': ['Linear'],
    'weights': {**rounding, 'strategy': 'channel', 'dynamic': False},
    'input_activations': {**rounding, 'strategy': 'token', 'dynamic': True},
}
config = json.loads((model / 'config.json').read_text())
config['quantization_config'] = {
    'quant_method': 'compressed-tensors', 'format': 'int-quantized', 'quantization_status': 'compressed', 'ignore': ['lm_head'],
    'config_groups': {'group_0': group},
}
(out / 'config.json').write_text(json.dumps(config, indent=2))
