"""selm's PyTorch backend: computes training and log-probabilities over one or more processes (ranks) with FSDP2.

`python -m selm_torch` starts a rank. Rank 0 takes jobs from its parent and reports results (channel.py). The parent does
everything with text: it tokenizes, orders, schedules and computes metrics. Here are token ids and numbers only.
"""
