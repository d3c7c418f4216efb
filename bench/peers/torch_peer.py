"""The peer on PyTorch: what an ML engineer would run instead. Usage: torch_peer.py TASK WORK.json THREADS; prints one JSON line.

optimize     the authors' trainer's step (SELM): the policy's forward pass on chosen and rejected, another one on the reference
             response, the same two for the reference model, log-softmax over the whole vocabulary, backward, AdamW; LoRA by PEFT
precomputed  the same with the reference model's log-probabilities given (TRL's precompute_ref_log_probs)
sample       transformers' generate, greedy, the prompts of a batch padded on the left
score        summed log-probabilities of responses, four sequences a batch, as TRL does for DPO
"""
import json, resource, sys, time
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
    model = PeftModel.from_pretrained(load(), work['adapter'], is_trainable=True)
    adamw = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=work['learningRate'], weight_decay=0.0)
    beta, alpha, size = work['beta'], work['alpha'], work['batchSize']
    batches = [work['preferences'][i:i + size] for i in range(0, len(work['preferences']), size)]

    def reference(rows):
        with torch.no_grad(), model.disable_adapter():
            return both(model, rows)

    known = [reference(rows) for rows in batches] if precomputed else None
    losses = []
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
    return time.perf_counter() - started, losses


def sample():
    model = load().eval()
    prompts = work['prompts']
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    started = time.perf_counter()
    with torch.no_grad():
        out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=work['newTokens'],
                             eos_token_id=work['eosIds'], pad_token_id=PAD)
    seconds = time.perf_counter() - started
    ends = set(work['eosIds'])
    answers = []
    for row in out[:, longest:].tolist():
        end = next((i for i, token in enumerate(row) if token in ends), len(row) - 1)
        answers.append(row[:end + 1])
    return seconds, answers


def score():
    model = load().eval()
    pairs = [(r['prompt'], r[role]) for r in work['preferences'] for role in ('chosen', 'rejected')]
    started = time.perf_counter()
    with torch.no_grad():
        values = [v for i in range(0, len(pairs), 4) for v in logps(model, pairs[i:i + 4]).tolist()]
    return time.perf_counter() - started, values


seconds, values = {'optimize': lambda: optimize(False), 'precomputed': lambda: optimize(True), 'sample': sample, 'score': score}[task]()
print(json.dumps({'seconds': seconds, 'values': values, 'peakMegabytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
