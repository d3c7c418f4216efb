"""The peer on TRL: DPOTrainer on the work's pairs. Usage: trl_peer.py WORK.json THREADS; prints one JSON line.

The pairs are token ids, so that all sides train on the same tokens; the reference model's log-probabilities are computed before the
training (precompute_ref_log_probs). LoRA by PEFT, float32, no gradient checkpointing, the rows in their order.
"""
import json, sys, tempfile, time
import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

work_file, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
work = json.load(open(work_file))


class OnTokens(DPOTrainer):
    def _prepare_dataset(self, dataset, *_, **__):
        return dataset

    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(dataset if dataset is not None else self.train_dataset)


class Clock(TrainerCallback):
    ends, losses = [], []

    def on_step_end(self, *_, **__):
        self.ends.append(time.perf_counter())

    def on_log(self, args, state, control, logs=None, **_):
        if 'loss' in logs:
            self.losses.append(float(logs['loss']))


model = AutoModelForCausalLM.from_pretrained(work['model'], dtype=torch.float32)
model = PeftModel.from_pretrained(model, work['adapter'], is_trainable=True)
rows = [{'prompt_ids': r['prompt'], 'chosen_ids': r['chosen'], 'rejected_ids': r['rejected']} for r in work['preferences']]
clock = Clock()
started = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    trainer = OnTokens(
        model=model,
        args=DPOConfig(
            output_dir=folder, beta=work['beta'], learning_rate=work['learningRate'], lr_scheduler_type='constant', weight_decay=0.0,
            per_device_train_batch_size=work['batchSize'], num_train_epochs=1, max_grad_norm=1.0, max_length=8192, logging_steps=1,
            precompute_ref_log_probs=True, bf16=False, gradient_checkpointing=False, use_cpu=True, report_to='none', save_strategy='no',
            disable_tqdm=True, dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(work['model']),
        callbacks=[clock],
    )
    trainer.train()
# As on the other sides, without the first step.
seconds = (clock.ends[-1] - clock.ends[0]) / (len(clock.ends) - 1)
print(json.dumps({'seconds': seconds, 'jobSeconds': clock.ends[-1] - started, 'values': clock.losses}))
