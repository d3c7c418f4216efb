/** The bench's results as a page: every figure is of the results. */
import { CASES, type Case, type Side } from './cases.ts';
import { number, percent } from './cells.ts';
import { decodingSection } from './decoding-section.ts';
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
  type CaseResult,
  type Results,
} from './results.ts';

export function describe(results: Results): string {
  const versions = Object.entries(results.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `# Performance

Written by \`npm run bench\`: ${results.machine}, ${results.threads} threads; ${versions}. Each measurement is a process of its own, the sides
in turns on the same tokens; figures are medians of the repeats in [bench/results.json](../bench/results.json). The model is
SmolLM2-135M-Instruct in float32 where nothing else is said. Large float32 matrices are multiplied at ${number(machineRate(results), 0)} GFLOP/s here.

## Goals

| goal | wanted | measured | |
| --- | ---: | ---: | --- |
${goals(results).map(goalRow).join('\n')}

## Where an optimize step's time goes

${profileSection(results)}

## Where decoding's time goes

${decodingSection(results)}

## How cost grows

${growthSection(results)}

## Measurements

| | side | runs | seconds (least – most) | tokens/s | decoding alone, tokens/s | peak memory | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |
${CASES.flatMap((given) => rows(results, given)).join('\n')}

- **optimize**: seconds of a SELM step of four preferences, LoRA of rank 16 on all linear layers; the first step of a process, which
  touches all its memory for the first time, is left out on every side. PyTorch does the authors' step: the policy on chosen and
  rejected, again on the reference response, the same for the reference model, whole-vocabulary log-softmax, backward, AdamW. selm
  scores the references once, in the steps' time in equal parts.
- **optimize, reference given**: a step alone, with the reference's log-probabilities known on both sides.
- **sample N**: N of IFEval's prompts, greedy unless said; PyTorch's side is transformers' \`generate\`. Both have answered a prompt before.
  Tokenizing is in the time: 0.1 % of a shard of 48 prompts with four answers of up to 256 tokens, and 4 % with the quickstart's model of a
  million weights, too little to be worth a thread of its own.
- **decode N**: N prompts of 60 tokens, 128 new tokens each, whatever they say; llama.cpp's side is its \`llama-batched-bench\`. The
  second of two times in a process. Decoding alone is, of selm, the time less that of the prompts with one token; the 24 tokens that
  all prompts begin with, which selm reads once, are not in it.
- **4 samples a prompt**: 16 prompts of 240 tokens, four answers each; unshared, each prompt is given four times.
- **score**: log-probabilities of 64 responses; PyTorch's batches have four.
- **round**: a round's workflow from its start to its end, with Temporal's dev server; the engine's part is what its jobs take in its process.
  What the quickstart's round, of seconds in all, spends outside of it, 1.4 s in one looked at: 0.35 s in the intervals of the win rates
  (10,000 resamples, and 1,000 fits that control for length), 0.3 s in labels and preferences, 0.3 s in what five jobs of sampling and two
  of scoring read and write, and the rest in 40 tasks of workflow and activities. It grows with prompts, not with the model.
- **large**: a Llama of TinyLlama's shape, 1.1 billion random weights in bfloat16: 2.2 GB in its file, 4.4 GB in float32. Four
  answers of 16 tokens, scores, and a step of four preferences (prompts of 64 tokens, responses of 128), one after the other in one process,
  as a worker's engine does a round.
- **memory, N tokens**: one preference whose prompt has 64 tokens and whose responses have the rest of N each.

The share of the machine's rate that an optimize step reaches counts what the step cannot do without, from the shapes. With *P* weights
in the frozen linear layers, *A* in the LoRA matrices, *T* tokens (a prompt once, each different response once), *R* response tokens, *V* pairs
of a query and a key it sees, *L* layers, *H* heads of *d*, a hidden size *h* and a vocabulary *v*:
2 *T* (2 *P* − *Q* + 3 *A*) + 12 *V L H d* + 4 *R h v* operations. Frozen layers need no gradient of their weights, and the first layer's queries, keys
and values (*Q* weights) none of their input. What is computed again in the backward pass does not count.
`;
}

function goalRow(goal: Goal): string {
  const show = goal.share ? percent : number;
  const verdict = { true: 'reached', false: 'not reached', undefined: 'not measured' }[String(reached(goal))];
  return `| ${goal.text} | ${goal.atMost ? '≤' : '≥'} ${show(goal.wanted)} | ${show(goal.measured)} | ${verdict} |`;
}

/** What a step of optimize is made of. */
function profileSection(results: Results): string {
  const run = results.cases.find(({ name }) => name === 'optimize, profiled')?.sides.selm?.runs[0];
  if (!run?.profile) return 'Not measured.';
  const parts = Object.entries(run.profile).sort(([, a], [, b]) => b.seconds - a.seconds);
  const lines = parts.map(([name]) => `| ${name} | ${partCells(run.profile!, name)} |`);
  return `ONNX Runtime's own account of a step's operators, which itself takes some of their time. Products count what they compute: attention's
also the weights that the backward pass computes again, and those of a block's keys that stand after a query.

Beside the products of frozen layers and of the output layer, what is left is bound by memory: LoRA's products have one side as
narrow as its rank, and norms, gates and masks add and multiply. What was tried there, measured alone with 900 tokens and 1536 columns:

- The gradient of a LoRA matrix B with the narrow factor transposed beforehand: 0.22 ms, not 0.44. Kept.
- LoRA's way up as a product and an addition: 0.36 ms, not 0.30 with the product adding by itself. Not kept.
- Attention by blocks of what their queries see, not by rows with a mask: half of the products' operations are gone. Kept.
- AdamW as a loop over its buffers: 24 to 38 ms a step. As a graph it took 56, and 45 to 109 more to copy its state out. Kept.
- Passes of 2,048 and 4,096 tokens, not 1,024: a step takes 6 to 15 % longer, and half as much memory again. Not kept.
- Chunks of 16 Mi logits: the output layer at 398 GFLOP/s, with 8 Mi at 357. Kept.

| part | ms a step | share | GFLOP/s |
| --- | ---: | ---: | ---: |
${lines.join('\n')}`;
}

/** Milliseconds, share and rate of a part of a step of optimize. */
function partCells(profile: Profile, name: string): string {
  const { seconds, flops } = profile[name];
  return `${number(1000 * seconds, 0)} | ${percent(seconds / totalSeconds(profile))} | ${flops > 0 ? number(flops / seconds / 1e9, 0) : ''}`;
}

/** What twice of something costs. Names are those of the cases. */
const GROWTH = [
  { what: 'prompts, or preferences', sample: 'twice the prompts', optimize: 'twice the preferences' },
  { what: 'length of the answers', sample: 'twice the tokens', optimize: 'twice the response' },
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
    return `| ${what} | ${cells.join(' | ')} |`;
  });
  return `With twice as much of one thing, seconds and peak memory are so many times what they were: of 16 prompts of 60 tokens with 64 new ones,
and of steps of four preferences with responses of 128 tokens.

| doubled | sample: seconds | memory | optimize: seconds | memory |
| --- | ---: | ---: | ---: | ---: |
${lines.join('\n')}`;
}

function rows(results: Results, { name, sides }: Case): string[] {
  const result = results.cases.find((result) => result.name === name);
  return result ? sides.map((side) => row(results, result, side)) : [];
}

/** How far several runs stray. */
const spread = (all: number[]) =>
  all.length > 1 ? ` (${number(Math.min(...all), 2)} – ${number(Math.max(...all), 2)})` : '';

function row(results: Results, { name, sides, agreement }: CaseResult, side: Side): string {
  const { runs = [], missing } = sides[side] ?? {};
  const of = (what: Parameters<typeof figure>[3]) => figure(results, name, side, what);
  const remarks = [
    missing && `missing: ${missing}`,
    runs.length > 0 && overhead(runs[0]) !== undefined && `${percent(of(overhead))} outside the engine`,
    of((run) => run.gigaflops) &&
      number(
        of((run) => run.gigaflops),
        0,
        ' GFLOP/s',
      ),
    side === 'selm' && agreement?.of !== undefined && `${agreement.same} of ${agreement.of} answers as the peer's`,
    side === 'selm' &&
      agreement?.largestDifference !== undefined &&
      `values to ${agreement.largestDifference.toExponential(1)}`,
  ];
  const cells = [
    name,
    side,
    runs.length,
    number(of(seconds), 2) + spread(runs.map(seconds)),
    number(of(rate), 0),
    number(of(decodeRate), 0),
    number(of(memory), 0, ' MB'),
    remarks.filter(Boolean).join('; '),
  ];
  return `| ${cells.join(' | ')} |`;
}
