"""Makes a small LlamaForSequenceClassification of random weights, and computes rewards with transformers.

Usage: make_reward_model.py FIXTURE OUT: the folder with tokenizer and chat template, and the model's folder. Reads
{"prompts": [...], "answers": [[...], ...]} from standard input and prints the rewards, one list per prompt.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

fixture, out = Path(sys.argv[1]), Path(sys.argv[2])
torch.manual_seed(7)
tokenizer = AutoTokenizer.from_pretrained(fixture)
config = LlamaConfig(
    vocab_size=len(tokenizer),
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=32,
    max_position_embeddings=1024,
    initializer_range=0.3,
    num_labels=1,
    pad_token_id=tokenizer.pad_token_id,
    bos_token_id=tokenizer.bos_token_id,
    eos_token_id=tokenizer.eos_token_id,
)
model = LlamaForSequenceClassification(config).eval()
model.save_pretrained(out)
for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]:
    shutil.copy(fixture / name, out / name)

asked = json.load(sys.stdin)
rewards = []
for prompt, answers in zip(asked["prompts"], asked["answers"]):
    row = []
    for answer in answers:
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        ids = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="pt")
        with torch.no_grad():
            row.append(model(**ids).logits[0, 0].item())
    rewards.append(row)
print(json.dumps(rewards))
