/** The page's section on decoding: the parts of a step, and lower bounds for its time. */
import { DECODING_PROFILES } from './cases.ts';
import { number, percent } from './cells.ts';
import { TIMES } from './goals.ts';
import { markdownTable } from './markdown.ts';
import { totalSeconds, type Profile } from './profile.ts';
import {
  decodeRate,
  figure,
  machineRate,
  promptSeconds,
  rate as rateOf,
  readRate,
  ratio,
  type Results,
} from './results.ts';

/** Milliseconds and share of a part of a decoding step. */
function partCell(profile: Profile, name: string): string {
  if (!(name in profile)) return '';
  const { seconds } = profile[name];
  return `${number(1000 * seconds, 1)} (${number((100 * seconds) / totalSeconds(profile), 0, ' %')})`;
}

const longestFirst = (profile: Profile) => Object.keys(profile).sort((a, b) => profile[b].seconds - profile[a].seconds);

const milliseconds = (profile: Profile, parts: string[]) =>
  1000 * parts.reduce((sum, name) => sum + profile[name].seconds, 0);

/** Bytes per weight in selm. */
const BYTES = { f32: 4, q8_0: 1 };

/** Formats the section as Markdown. */
export function decodingSection(results: Results): string {
  const profiles = DECODING_PROFILES.flatMap(({ name, of, size }) => {
    const run = results.cases.find((result) => result.name === name)?.sides.selm?.runs[0];
    if (!run?.profile) return [];
    const steps = size.newTokens!;
    // Responses end at the model's stop token, so this is the mean number of rows.
    return [
      { of, profile: run.profile, rows: run.decodedTokens! / steps, promptStep: (1000 * promptSeconds(run)!) / steps },
    ];
  });
  const [rate, bandwidth] = [machineRate(results), readRate(results)];
  if (profiles.length === 0 || !rate || !bandwidth) return 'Not measured.';
  const names = [...new Set(profiles.flatMap(({ profile }) => longestFirst(profile)))];
  const lengthened = profiles.flatMap(({ of }) => {
    const times = ratio(
      figure(results, of, 'selm', decodeRate),
      figure(results, `${of}, profiled`, 'selm', decodeRate),
    );
    return times === undefined ? [] : `${percent(times - 1)} of a step of ${of}`;
  });
  const bounds = profiles.map(({ of, rows, profile, promptStep }) => {
    const format = of.endsWith('q8_0') ? 'q8_0' : 'f32';
    const layers = ['linear layers', 'output layer'];
    const flops = layers.reduce((sum, name) => sum + profile[name].flops, 0);
    // Two operations per weight and row.
    const reading = ((BYTES[format] * flops) / 2 / rows / bandwidth) * 1e-6;
    const other = figure(results, of, 'llama.cpp', decodeRate);
    const generate = figure(results, of, 'pytorch', rateOf);
    const apart = figure(results, `${of}, unshared`, 'selm', rateOf);
    const step = (perSecond: number) => number((rows / perSecond) * 1000, 1, ' ms');
    const products = milliseconds(profile, [...layers, 'attention, products']);
    /** The rate if nothing but these products took any time, with or without the prompts: a bound. */
    const most = (perSecond: number, more = 0) =>
      ` (at most ${number((rows * 1000) / (products + more) / perSecond, 2)} times, if only these products${more ? ' and the prompts' : ''} took time)`;
    const withPrompts = (times: number, perSecond: number, what: string) =>
      `${times} times ${what} would be a step of ${step(times * perSecond)}, of which the prompts take ${number(promptStep, 1, ' ms')}${most(perSecond, promptStep)}`;
    return `- ${[
      `**${of}**: linear and output layers take ${number(milliseconds(profile, layers), 1, ' ms')}, attention's products ${number(milliseconds(profile, ['attention, products']), 1, ' ms')}`,
      `reading every weight once takes ${number(reading, 1, ' ms')} at ${number(bandwidth, 0)} GB/s`,
      format === 'f32' && `multiplying ${number((flops / rate) * 1e-6, 1, ' ms')} at ${number(rate, 0)} GFLOP/s`,
      other &&
        `${TIMES.llamaCpp[format]} times llama.cpp's rate would be a step of ${step(TIMES.llamaCpp[format] * other)}${most(other)}`,
      generate && `responses end at the model's stop token, so a step has ${number(rows, 0)} rows on average`,
      generate && withPrompts(TIMES.transformers, generate, "transformers' rate"),
      apart && withPrompts(TIMES.apart, apart, 'the rate of separate prompts'),
    ]
      .filter(Boolean)
      .join('; ')}.`;
  });
  return `A step is one token of every row, without the time of the prompts. ONNX Runtime's profiling itself takes time, mostly between operators:
${lengthened.join(', ')}.

${bounds.join('\n')}

With few rows, ONNX Runtime's products do not overlap reading and multiplying: on two cores of AMD EPYC with AVX2 (407 GFLOP/s), SmolLM2's
linear layers take 9.8 ms with one row, and 0.43 ms more per additional row. With 16 rows the bound is therefore the sum of both times, not
the larger one. With 8-bit weights, keys and values stay float32. Attention then takes about as long as all weights with 64 rows, and so does
the time between operators with 16 rows. Optimizations that were tested, measured separately on that machine:

- 8-bit products with a scale for every 32 numbers, as in llama.cpp's q8_0 (MatMulNBits): the linear layers take 12 ms with 16 rows and
  32 ms with 64. Integer products with one scale per row take 9 and 18 ms, including a Hadamard rotation. The rotation lowers the difference
  from float32 from 5e-2 to 6.3e-3 nats per token, as computed with PyTorch; that of q8_0 is 4.6e-3. Kept.
- Queries, keys and values as one product, and likewise the gate and up projections: no faster, in float32 and in 8 bits. Not kept.
- Moving keys and values within their buffers, 16 positions at a time: 0.4 s for 64 prompts instead of 2.3. Kept.
- Computing the shared prefix of SmolLM2's prompts (24 tokens) once per batch: 64 prompts take 2.0 s instead of 2.8. Kept.
- Drawing from 49,152 tokens by spans of 128 instead of one cumulative sum: 0.5 ms for 64 rows instead of 11. Kept.
- Top-p over the possible tokens instead of a sorted vocabulary: 64 prompts in 15 s instead of 28. Kept.
- Weights as the left factor, in the order of their file: 17.5 ms for the linear layers with 16 rows; 17.5 ms packed as the right factor. Not kept.
- The three queries of a key head one by one instead of as a matrix (64 rows, 192 keys, all layers): 8.8 ms instead of 10.9 for scores, and
  7.8 instead of 12.7 for values, because a matrix product first reorders the keys. Kept for up to four queries; with more it is slower.
- Scaling queries directly before their product, which ONNX Runtime then fuses: one-row products with a factor become matrix products
  again, 0.32 ms per layer instead of 0.19 for scores of 64 rows with 112 keys. Not kept.
- Transposing the keys first: 8.1 ms instead of 8.8, without the cost of the transposition. Not kept.
- Prompt and past as one block of keys if a prompt has one sample: no faster, because the block is reallocated as it grows. Not kept.
- Removing each response from the batch when it ends, and not when all four responses to its prompt have ended: 128 responses of at most 512 tokens to prompts in
  IFEval's style, 32 at a time, take 127 s instead of 168 (on a slower machine). Kept.
- All 256 responses to 64 prompts at once, and not 64 at a time, with others entering as they end (at most 512 tokens): 192 s instead of
  238, with 4.4 GB of memory instead of 3.1 (on a slower machine). A row's attention takes as long as that of the oldest row in the batch, and
  rows that start together have the same age. It is the setting of the SmolLM2 example.
- Rows in three groups by age, each with keys of its own: 334 tokens/s in the first 110 s of 512 such responses, 64 at a time, instead of 340.
  Attention reads fewer hidden keys, and there are 18 more operators per layer. Not kept.
- Graph runs of 16 tokens instead of 32, and prompts in chunks of 512 tokens instead of 4,096: 64 prompts in 11.7 s instead of 13.1. Kept.
- Huge pages (\`glibc.malloc.hugetlb=1\`): products with 64 rows are 8 % faster, the first access to memory is slower; no gain in total. With
  freed memory also kept (\`mmap_threshold\`, \`trim_threshold\`), three repeats of each: the gain is within the variation of the repeats, and
  memory grows by 2.2 GB with 1.1 billion weights. Not kept.

Not tried, because the shares below bound the gain:

- Prompts grouped by length, so that short ones are not padded to the longest one: with 16 and 64 of IFEval's prompts and 128 new tokens,
  26 % of the keys are padding. The profile's prompts have equal lengths; with IFEval's, attention takes 25 to 31 % of a step, if all of it
  grows with the keys. The gain is at most 7 to 8 %, without the cost of twice as many attention operators.
- One product with the keys of the shared prefix for all rows: its 24 tokens are 13 % of the keys, so the gain is at most 4 %.

Not possible: weights in bfloat16, because ONNX Runtime has no matrix products in bfloat16 for x86 CPUs (MatMul and Gemm, version 1.30).

${markdownTable(
  ['ms per step (share)', ...profiles.map(({ of }) => of)],
  names.map((name) => [name, ...profiles.map(({ profile }) => partCell(profile, name))]),
)}`;
}
