/** Writes the page docs/performance.md. Every figure comes from the results. */
import { CASES, type Case, type Side, type Task } from './cases.ts';
import { number, percent } from './cells.ts';
import { decodingSection } from './decoding-section.ts';
import { generationSection } from './generation-section.ts';
import { markdownTable } from './markdown.ts';
import { totalSeconds, type Profile } from './profile.ts';
import { goals, reached, type Goal } from './goals.ts';
import {
  decodeRate,
  figure,
  machineRate,
  memory,
  overhead,
  rate,
  ratio,
  seconds,
  stepShare,
  type CaseResult,
  type Results,
} from './results.ts';

/** Formats the results as Markdown. */
export function describe(results: Results): string {
  const versions = Object.entries(results.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const commits = [...new Set(results.cases.flatMap(({ commit }) => commit ?? []))].join(', ');
  return `# Performance

Written by \`npm run bench\`: ${results.machine}, ${results.threads} threads; ${versions}${commits && `; commit ${commits}`}. Each measurement runs in a separate process.
The sides take turns on the same tokens. Figures are medians of the repeats in [bench/results.json](../bench/results.json). Unless stated
otherwise, the model is SmolLM2-135M-Instruct in float32. This machine multiplies large float32 matrices at ${number(machineRate(results), 0)} GFLOP/s.

## Goals

| goal | target | measured | |
| --- | ---: | ---: | --- |
${goals(results).map(goalRow).join('\n')}

## Sampling beside other engines

${generationSection(results)}

## Time of an optimize step

${profileSection(results)}

## Time of a decoding step

${decodingSection(results)}

## Scaling

${growthSection(results)}

## Measurements

| | side | runs | seconds (min – max) | tokens/s | decoding only, tokens/s | peak memory | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |
${CASES.flatMap((given) => rows(results, given)).join('\n')}

- **optimize**: seconds of a SELM step of four preferences, LoRA of rank 16 on all linear layers; the first step of each process is
  excluded, because it touches all memory for the first time. PyTorch runs the authors' step: the policy on chosen and rejected, again on
  the reference response, the same for the reference model, whole-vocabulary log-softmax, backward, AdamW. selm scores the references once;
  that time is divided equally among the steps.
- **optimize, reference given**: a step with precomputed log-probabilities of the reference policy on both sides.
- **DPO of pairs**: seconds of a step of DPO on four pairs with precomputed reference log-probabilities, LoRA of rank 16. The sides are selm's
  onnx backend, its torch backend with one rank on the CPU, and TRL's DPOTrainer. Tokens are those of the pairs, with each prompt counted
  once. The memory of the torch backend is the sum over its three processes.
- **sample N**: N of IFEval's prompts, greedy unless stated otherwise; PyTorch's side is transformers' \`generate\`. Both answer one prompt as a
  warm-up. The time includes tokenization: 0.1 % for a shard of 48 prompts with four responses of up to 256 tokens, and 4 % with the
  quickstart's model of a million weights, which is too little to justify a separate thread.
- **generate N**: N of IFEval's prompts, 128 new tokens each; see "Sampling beside other engines".
- **decode N**: N prompts of 60 tokens, 128 new tokens each, without stop tokens; llama.cpp's side is its \`llama-batched-bench\`. The
  second of two repeats in a process is measured. For selm, "decoding only" is the total time minus the time of the prompts with one new
  token. It excludes the 24-token prefix that all prompts share, which selm processes once.
- **4 samples a prompt**: 16 prompts of 240 tokens, four responses each. Unshared: each prompt is given four times.
- **score**: log-probabilities of 64 responses; PyTorch's batches have four.
- **round**: a round's workflow from start to end, with Temporal's dev server. The quickstart's has 1536 prompts. SmolLM2's is reduced: 16
  prompts with four responses of at most 96 tokens, 100 held-out prompts with 32 tokens, one epoch. The engine's share is the time of its jobs in its process.
  The quickstart's round takes a few seconds. One profiled round spent 1.4 s outside the engine: 0.35 s on the intervals of the win rates
  (10,000 resamples, and 1,000 fits that control for length), 0.3 s on labels and preferences, 0.3 s on input and output of five sampling
  and two scoring jobs, and the rest on 40 workflow and activity tasks. This time grows with the number of prompts, not with the model.
  With all steps reused, a round computes nothing: its time is that of Temporal's tasks and of reading the stored results.
- **large**: a Llama of TinyLlama's shape, 1.1 billion random weights in bfloat16: 2.2 GB in its file, 4.4 GB in float32. Four
  responses of 16 tokens, scores, and a step of four preferences (prompts of 64 tokens, responses of 128), in sequence in one process, as a
  worker's engine runs a round.
- **memory, N tokens**: one preference with a prompt of 64 tokens and responses of N − 64 tokens each.

The share of the machine's rate that an optimize step reaches counts only the necessary operations, computed from the shapes. With *P* weights
in the frozen linear layers, *A* in the LoRA matrices, *T* tokens (a prompt once, each different response once), *R* response tokens, *V* pairs
of a query and a visible key, *L* layers, *H* heads of size *d*, a hidden size *h* and a vocabulary *v*, the count is
2 *T* (2 *P* − *Q* + 3 *A*) + 12 *V L H d* + 4 *R h v* operations. Frozen layers need no gradient of their weights. The first layer's queries, keys
and values (*Q* weights) need no gradient of their input. Recomputation in the backward pass does not count.
`;
}

function goalRow(goal: Goal): string {
  const show = goal.share ? percent : number;
  const verdict = { true: 'reached', false: 'not reached', undefined: 'not measured' }[String(reached(goal))];
  return `| ${goal.text} | ${goal.atMost ? '≤' : '≥'} ${show(goal.wanted)} | ${show(goal.measured)} | ${verdict} |`;
}

/** The parts of an optimize step. */
function profileSection(results: Results): string {
  const run = results.cases.find(({ name }) => name === 'optimize, profiled')?.sides.selm?.runs[0];
  if (!run?.profile) return 'Not measured.';
  const parts = Object.entries(run.profile).sort(([, a], [, b]) => b.seconds - a.seconds);
  return `This is ONNX Runtime's profile of a step's operators. Profiling itself takes some time. The rates count all operations of the products:
attention's include the weights that the backward pass recomputes, and the masked keys of a block.${productBound(results, run.profile)}

Most of the remaining time, apart from the products of frozen layers and of the output layer, is limited by memory bandwidth: LoRA's
products have one side as narrow as the rank, and norms, gates and masks are elementwise. Optimizations that were tested, measured
separately with 900 tokens and 1536 columns on two cores of AMD EPYC with AVX2 (407 GFLOP/s):

- The gradient of a LoRA matrix B with the narrow factor transposed first: 0.22 ms instead of 0.44. Kept.
- LoRA's product with B as a separate product and addition: 0.36 ms, instead of 0.30 as a fused product. Not kept.
- Attention in blocks of visible keys instead of entire rows with a mask: half of the products' operations. Kept.
- AdamW as a loop over its buffers: 24 to 38 ms per step. As a graph it took 56 ms, and 45 to 109 ms more to copy its state. Kept.
- Micro-batches of 2,048 and 4,096 tokens instead of 1,024: a step takes 6 to 15 % longer and 1.5 times the memory. Not kept.
- Chunks of 16 Mi logits: the output layer reaches 398 GFLOP/s, and 357 with 8 Mi. Kept.

${markdownTable(
  ['part', 'ms per step', 'share', 'GFLOP/s'],
  parts.map(([name]) => [name, ...partCells(run.profile!, name)]),
)}`;
}

/** The large products of a step. */
const PRODUCTS = ['frozen linear layers', 'output layer', 'attention, products'];

/** What share of the machine's rate a step would reach with all its large products at that rate. */
function productBound(results: Results, profile: Profile): string {
  const [rate, share] = [machineRate(results), stepShare(results)];
  if (!rate || !share) return '';
  const slower = PRODUCTS.reduce((sum, name) => sum + profile[name].seconds - profile[name].flops / rate / 1e9, 0);
  const total = totalSeconds(profile);
  return ` If all of
them but LoRA's ran at the machine's rate for large matrices, and everything else took as long as it does, a step would reach
${percent((share * total) / (total - slower))} of that rate instead of ${percent(share)}.`;
}

/** Milliseconds, share and rate of a part of an optimize step. */
function partCells(profile: Profile, name: string): string[] {
  const { seconds, flops } = profile[name];
  return [
    number(1000 * seconds, 0),
    percent(seconds / totalSeconds(profile)),
    flops > 0 ? number(flops / seconds / 1e9, 0) : '',
  ];
}

/** The doubled quantities, with the suffixes of the cases' names. */
const GROWTH = [
  { what: 'prompts, or preferences', sample: 'twice the prompts', optimize: 'twice the preferences' },
  { what: 'length of the responses', sample: 'twice the tokens', optimize: 'twice the response' },
  { what: 'layers of the model', sample: 'twice the layers', optimize: 'twice the layers' },
];

function growthSection(results: Results): string {
  const times = (task: string, more: string, of: Parameters<typeof figure>[3]) =>
    number(
      ratio(figure(results, `growth, ${task}, ${more}`, 'selm', of), figure(results, `growth, ${task}`, 'selm', of)),
      2,
    );
  const lines = GROWTH.map(({ what, sample, optimize }) => {
    const cells = [
      times('sample', sample, seconds),
      times('sample', sample, memory),
      times('optimize', optimize, seconds),
      times('optimize', optimize, memory),
    ];
    return [what, ...cells];
  });
  return `Factors by which time and peak memory grow when one quantity doubles. The baseline is 16 prompts of 60 tokens with 64 new tokens, and steps
of four preferences with responses of 128 tokens.

${markdownTable(['doubled', 'sample: seconds', 'memory', 'optimize: seconds', 'memory'], lines)}`;
}

function rows(results: Results, { name, task, sides }: Case): string[] {
  const result = results.cases.find((result) => result.name === name);
  return result ? sides.map((side) => row(results, task, result, side)) : [];
}

/** The range of the values of several runs. Empty for a single run. */
const spread = (all: number[]) =>
  all.length > 1 ? ` (${number(Math.min(...all), 2)} – ${number(Math.max(...all), 2)})` : '';

/** Time and memory of a step, divided by its tokens. */
const perToken = (seconds: number, mebibytes: number, tokens: number) =>
  `${number((1000 * seconds) / tokens, 1)} ms and ${number(mebibytes / tokens, 2)} MiB per token`;

function row(results: Results, task: Task, { name, sides, agreement }: CaseResult, side: Side): string {
  const { runs = [], missing, equalTokens } = sides[side] ?? {};
  const of = (what: Parameters<typeof figure>[3]) => figure(results, name, side, what);
  const reused = of((run) => run.reusedSeconds);
  const remarks = [
    missing && `missing: ${missing}`,
    runs.length > 0 && overhead(runs[0]) !== undefined && `${percent(of(overhead))} outside the engine`,
    reused && `${number(reused, 2, ' s')} with all steps reused`,
    of((run) => run.gigaflops) &&
      number(
        of((run) => run.gigaflops),
        0,
        ' GFLOP/s',
      ),
    task === 'dpo' && runs.length > 0 && perToken(of(seconds)!, of(memory)!, runs[0].tokens!),
    of((run) => run.startSeconds) &&
      task === 'generate' &&
      number(
        of((run) => run.startSeconds),
        1,
        ' s to start',
      ),
    equalTokens !== undefined && `${percent(equalTokens)} of tokens equal transformers'`,
    side === 'selm' && agreement?.of !== undefined && `${agreement.same} of ${agreement.of} responses equal the peer's`,
    side === 'selm' &&
      agreement?.largestDifference !== undefined &&
      `values differ by at most ${agreement.largestDifference.toExponential(1)}`,
  ];
  const cells = [
    name,
    side,
    runs.length,
    number(of(seconds), 2) + spread(runs.map(seconds)),
    number(of(rate), 0),
    number(of(decodeRate), 0),
    number(of(memory), 0, ' MiB'),
    remarks.filter(Boolean).join('; '),
  ];
  return `| ${cells.join(' | ')} |`;
}
