"""The peer on PyTorch: what an ML engineer would run instead. Usage: torch_peer.py TASK WORK.json THREADS; prints one JSON line.

optimize     the authors' trainer's step (SELM): the policy's forward pass on chosen and rejected, another one on the reference
             response, the same two for the reference model, log-softmax over the whole vocabulary, backward, AdamW; LoRA by PEFT,
             or all weights where the work names no adapter
precomputed  the same with the reference model's log-probabilities given (TRL's precompute_ref_log_probs)
sample       transformers' generate, the prompts of a batch padded on the left
generate     the same
score        summed log-probabilities of responses, four sequences a batch, as TRL does for DPO
matmul       the fastest square matrix product
"""
import contextlib, json, os, sys, time
import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import AutoModelForCausalLM

task, work_file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
work = json.load(open(work_file))
PAD = 0


def load():
    return AutoModelForCausalLM.from_pretrained(work['model'], dtype=torch.float32)


def padded(pairs):
    """Token ids, attention mask and which tokens are the responses' of [prompt, response] pairs, padded on the right."""
    longest = max(len(prompt) + len(response) for prompt, response in pairs)
    ids = torch.full((len(pairs), longest), PAD)
    mask = torch.zeros((len(pairs), longest), dtype=torch.long)
    answer = torch.zeros((len(pairs), longest), dtype=torch.bool)
    for i, (prompt, response) in enumerate(pairs):
        end = len(prompt) + len(response)
        ids[i, :end] = torch.tensor(prompt + response)
        mask[i, :end] = 1
        answer[i, len(prompt):end] = True
    return ids, mask, answer


def logps(model, pairs):
    ids, mask, answer = padded(pairs)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    chosen = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return (chosen * answer[:, 1:]).sum(-1)


def both(model, rows):
    """Of chosen and rejected in one batch, then of the reference responses."""
    pairs = logps(model, [(r['prompt'], r['chosen']) for r in rows] + [(r['prompt'], r['rejected']) for r in rows])
    return pairs[:len(rows)], pairs[len(rows):], logps(model, [(r['prompt'], r['reference']) for r in rows])


def optimize(precomputed):
    adapter = work.get('adapter')
    if adapter:
        model = PeftModel.from_pretrained(load(), adapter, is_trainable=True)
        reference_model, as_reference = model, model.disable_adapter
    else:
        model, reference_model, as_reference = load(), load(), contextlib.nullcontext
    adamw = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=work['learningRate'], weight_decay=0.0)
    beta, alpha, size = work['beta'], work['alpha'], work['batchSize']
    batches = [work['preferences'][i:i + size] for i in range(0, len(work['preferences']), size)]

    def reference(rows):
        with torch.no_grad(), as_reference():
            return both(reference_model, rows)

    job_started = time.perf_counter()
    known = [reference(rows) for rows in batches] if precomputed else None
    losses, ends = [], []
    started = time.perf_counter()
    for i, rows in enumerate(batches):
        chosen, rejected, answer = both(model, rows)
        ref_chosen, ref_rejected, ref_answer = known[i] if known else reference(rows)
        margin = (chosen - rejected) - (ref_chosen - ref_rejected)
        loss = (-F.logsigmoid(beta * margin) + alpha * beta * (answer - ref_answer)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        losses.append(loss.item())
        ends.append(time.perf_counter())
    # The first step touches all memory for the first time: the steps after it are what a long training is made of.
    step = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else ends[0] - started
    return {'seconds': step, 'jobSeconds': ends[-1] - job_started, 'values': losses}


def sample():
    model = load().eval()
    prompts, temperature, ends = work['prompts'], work['temperature'], set(work['eosIds'])
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    how = {'do_sample': True, 'temperature': temperature, 'top_k': 0, 'top_p': work['topP']} if temperature else {'do_sample': False}

    def generate(rows, tokens):
        with torch.no_grad():
            return model.generate(input_ids=ids[:rows], attention_mask=mask[:rows], max_new_tokens=tokens,
                                  eos_token_id=work['eosIds'], pad_token_id=PAD, **how)

    start_seconds = time.time() - float(os.environ['BENCH_STARTED'])
    generate(1, work['newTokens'])
    started = time.perf_counter()
    out = generate(len(prompts), work['newTokens'])
    seconds = time.perf_counter() - started
    answers = []
    for row in out[:, longest:].tolist():
        end = next((i for i, token in enumerate(row) if token in ends), len(row) - 1)
        answers.append(row[:end + 1])
    return {'seconds': seconds, 'startSeconds': start_seconds, 'tokens': sum(map(len, answers)), 'values': answers}


def score():
    model = load().eval()
    pairs = [(r['prompt'], r[role]) for r in work['preferences'] for role in ('chosen', 'rejected')]
    with torch.no_grad():
        logps(model, pairs[:1])
        started = time.perf_counter()
        values = [v for i in range(0, len(pairs), 4) for v in logps(model, pairs[i:i + 4]).tolist()]
        return {'seconds': time.perf_counter() - started, 'values': values}


def matmul():
    best = {'seconds': 0, 'gigaflops': 0}
    for n in (1024, 2048, 4096):
        a, b, c = (torch.full((n, n), 0.5) for _ in range(3))
        for _ in range(8):
            started = time.perf_counter()
            torch.mm(a, b, out=c)
            seconds = time.perf_counter() - started
            best = max(best, {'seconds': seconds, 'gigaflops': 2 * n ** 3 / seconds / 1e9}, key=lambda m: m['gigaflops'])
    return best


tasks = {'optimize': lambda: optimize(False), 'precomputed': lambda: optimize(True), 'sample': sample, 'generate': sample, 'score': score, 'matmul': matmul}
print(json.dumps(tasks[task]()))
