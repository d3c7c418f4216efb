"""The peers that serve language models on CPUs. Usage: engine_peer.py ENGINE MODEL WORK.json THREADS FORMAT; prints one JSON line.

ENGINE is vllm, openvino, ctranslate2 or onnxruntime-genai; MODEL is the model's folder in the engine's own format; FORMAT is f32 or
q8_0. Each engine gets the tokens of all prompts and generates exactly `newTokens` tokens of each greedily, whatever the
tokens are. One prompt is answered as a warm-up. `startSeconds` is the time from the start of the process until the model is open.
"""
import json, os, sys, time

engine, model, work_file, threads, number_format = *sys.argv[1:4], int(sys.argv[4]), sys.argv[5]
work = json.load(open(work_file))
new_tokens, rows = work['newTokens'], len(work['prompts'])
longest = max(map(len, work['prompts'])) + new_tokens
float32 = number_format == 'f32'
# A stop token that the model does not generate. It is also the padding.
UNUSED_TOKEN = work['eosIds'][0]
# onnxruntime-genai takes at most 32 prompts at once.
GENAI_BATCH = 32


def vllm():
    os.environ.update(
        VLLM_CPU_KVCACHE_SPACE='2', VLLM_CPU_OMP_THREADS_BIND='nobind', OMP_NUM_THREADS=str(threads), VLLM_NO_USAGE_STATS='1',
        VLLM_LOGGING_LEVEL='ERROR',
    )
    from vllm import LLM, SamplingParams

    llm = LLM(model, dtype='float32', enforce_eager=True, max_model_len=longest, max_num_seqs=rows, max_num_batched_tokens=16384)
    how = SamplingParams(temperature=0, max_tokens=new_tokens, ignore_eos=True, detokenize=False)

    def generate(prompts):
        answers = llm.generate([{'prompt_token_ids': prompt} for prompt in prompts], how, use_tqdm=False)
        return [answer.outputs[0].token_ids for answer in answers]

    return generate


def openvino():
    import numpy as np
    from openvino import Tensor
    from openvino_genai import ContinuousBatchingPipeline, GenerationConfig, SchedulerConfig

    # The defaults for CPUs round activations, keys and values to 8 bits where the weights have 8 bits, and keys and values always.
    exact = {'INFERENCE_PRECISION_HINT': 'f32', 'KV_CACHE_PRECISION': 'f32', 'DYNAMIC_QUANTIZATION_GROUP_SIZE': 0}
    scheduler = SchedulerConfig()
    scheduler.max_num_seqs, scheduler.max_num_batched_tokens, scheduler.cache_size = rows, 16384, 2
    pipeline = ContinuousBatchingPipeline(model, scheduler, 'CPU', {'INFERENCE_NUM_THREADS': threads, **(exact if float32 else {})})
    how = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, ignore_eos=True)

    def generate(prompts):
        answers = pipeline.generate([Tensor(np.array([prompt])) for prompt in prompts], [how] * len(prompts))
        return [answer.m_generation_ids[0] for answer in answers]

    return generate


def ctranslate2():
    from ctranslate2 import Generator

    names = json.load(open(os.path.join(model, 'vocabulary.json')))
    generator = Generator(model, device='cpu', compute_type='float32' if float32 else 'int8', inter_threads=1, intra_threads=threads)

    def generate(prompts):
        answers = generator.generate_batch(
            [[names[token] for token in prompt] for prompt in prompts], max_length=new_tokens, include_prompt_in_result=False,
            end_token=[UNUSED_TOKEN], sampling_topk=1, beam_size=1,
        )
        return [answer.sequences_ids[0] for answer in answers]

    return generate


def onnxruntime_genai():
    import numpy as np
    import onnxruntime_genai as og

    config = og.Config(model)
    ids = {'model': {'eos_token_id': UNUSED_TOKEN, 'pad_token_id': UNUSED_TOKEN}}
    session = {'model': {'decoder': {'session_options': {'intra_op_num_threads': threads}}}}
    config.overlay(json.dumps(ids))
    config.overlay(json.dumps(session))
    opened = og.Model(config)

    def generate_batch(prompts):
        width = max(map(len, prompts))
        params = og.GeneratorParams(opened)
        params.set_search_options(do_sample=False, max_length=width + new_tokens, batch_size=len(prompts))
        generator = og.Generator(opened, params)
        generator.append_tokens(np.array([prompt + [UNUSED_TOKEN] * (width - len(prompt)) for prompt in prompts], dtype=np.int32))
        while not generator.is_done():
            generator.generate_next_token()
        return [generator.get_sequence(row)[width:].tolist() for row in range(len(prompts))]

    def generate(prompts):
        batches = [prompts[first : first + GENAI_BATCH] for first in range(0, len(prompts), GENAI_BATCH)]
        return [answer for batch in batches for answer in generate_batch(batch)]

    return generate


def measure():
    generate = globals()[engine.replace('-', '_')]()
    start_seconds = time.time() - float(os.environ['BENCH_STARTED'])
    generate(work['prompts'][:1])
    started = time.perf_counter()
    answers = [list(map(int, answer)) for answer in generate(work['prompts'])]
    seconds = time.perf_counter() - started
    for answer in answers:
        assert len(answer) == new_tokens and UNUSED_TOKEN not in answer, f'{len(answer)} tokens were generated instead of {new_tokens}'
    return {'seconds': seconds, 'startSeconds': start_seconds, 'tokens': rows * new_tokens, 'values': answers}


# vLLM's engine is a child process that imports this file.
if __name__ == '__main__':
    print(json.dumps(measure()))
