/** The page's part on decoding: what a step is made of, and what it cannot be below. */
import { DECODING_PROFILES } from './cases.ts';
import { number } from './cells.ts';
import { TIMES } from './goals.ts';
import { totalSeconds, type Profile } from './profile.ts';
import { decodeRate, figure, machineRate, promptSeconds, rate as rateOf, readRate, type Results } from './results.ts';

/** Milliseconds and share of a part of a step of decoding. */
function partCell(profile: Profile, name: string): string {
  if (!(name in profile)) return '';
  const { seconds } = profile[name];
  return `${number(1000 * seconds, 1)} (${number((100 * seconds) / totalSeconds(profile), 0, ' %')})`;
}

const longestFirst = (profile: Profile) => Object.keys(profile).sort((a, b) => profile[b].seconds - profile[a].seconds);

const milliseconds = (profile: Profile, parts: string[]) =>
  1000 * parts.reduce((sum, name) => sum + profile[name].seconds, 0);

/** Bytes of a weight of selm's. */
const BYTES = { f32: 4, q8_0: 1 };

/** What a step of decoding is made of, and what it cannot be below. */
export function decodingSection(results: Results): string {
  const profiles = DECODING_PROFILES.flatMap(({ name, of, size }) => {
    const profile = results.cases.find((result) => result.name === name)?.sides.selm?.runs[0]?.profile;
    return profile ? [{ of, size, rows: size.prompts! * (size.samplesPerPrompt ?? 1), profile }] : [];
  });
  const [rate, bandwidth] = [machineRate(results), readRate(results)];
  if (profiles.length < DECODING_PROFILES.length || !rate || !bandwidth) return 'Not measured.';
  const names = [...new Set(profiles.flatMap(({ profile }) => longestFirst(profile)))];
  const lines = names.map(
    (name) => `| ${name} | ${profiles.map(({ profile }) => partCell(profile, name)).join(' | ')} |`,
  );
  const bounds = profiles.map(({ of, size, rows, profile }) => {
    const format = of.endsWith('q8_0') ? 'q8_0' : 'f32';
    const layers = ['linear layers', 'output layer'];
    const flops = layers.reduce((sum, name) => sum + profile[name].flops, 0);
    // Two operations for each weight and row.
    const reading = ((BYTES[format] * flops) / 2 / rows / bandwidth) * 1e-6;
    const other = figure(results, of, 'llama.cpp', decodeRate);
    const generate = format === 'f32' ? figure(results, `sample ${rows}`, 'pytorch', rateOf) : undefined;
    const apart = figure(results, `${of}, unshared`, 'selm', rateOf);
    const prompts = figure(results, of, 'selm', promptSeconds);
    const step = (perSecond: number) => number((rows / perSecond) * 1000, 1, ' ms');
    return `- ${[
      `**${of}**: linear and output layers take ${number(milliseconds(profile, layers), 1, ' ms')}, attention's products ${number(milliseconds(profile, ['attention, products']), 1, ' ms')}`,
      `reading every weight once takes ${number(reading, 1, ' ms')} at ${number(bandwidth, 0)} GB/s`,
      format === 'f32' && `multiplying ${number((flops / rate) * 1e-6, 1, ' ms')} at ${number(rate, 0)} GFLOP/s`,
      other && `${TIMES.llamaCpp[format]} times llama.cpp's rate is a step of ${step(TIMES.llamaCpp[format] * other)}`,
      of.startsWith('decode') &&
        generate &&
        `${TIMES.transformers} times transformers' with IFEval's prompts is one of ${step(TIMES.transformers * generate)}, what the prompts take included`,
      apart &&
        prompts &&
        `${TIMES.apart} times the rate of separate prompts is a step of ${step(TIMES.apart * apart)}, of which what the prompts take is ${number((prompts * 1000) / size.newTokens!, 1, ' ms')}`,
    ]
      .filter(Boolean)
      .join('; ')}.`;
  });
  return `A step is one token of every row; what the prompts take is left out. ONNX Runtime's own account takes time itself, more than half as
much again with 16 rows, between operators above all.

${bounds.join('\n')}

ONNX Runtime's products of few rows read and multiply by turns: SmolLM2's linear layers take 9.8 ms with one row, and 0.43 ms more for
each that is added, so with 16 rows the sum of both times is the bound, not the larger of the two. With 8 bits keys and values stay
float32, so with 64 rows attention takes about as long as all weights, and with 16 what is between operators. What was tried, measured alone:

- Products of 8 bits with a scale for every 32 numbers, as llama.cpp's q8_0 has them (MatMulNBits): the linear layers take 12 ms with 16
  rows and 32 ms with 64. As products of integers with one scale a row: 9 and 18, rotating included. Rotated first, that is 6.3e-3 nats
  a token from float32, by PyTorch's account, and not 5e-2; q8_0's rounding is 4.6e-3. Kept.
- Queries, keys and values as one product, and gates with what they let through: no faster, in float32 and in 8 bits. Not kept.
- Keys and values moved about within their memory, 16 places at a time: 0.4 s for 64 prompts, not 2.3. Kept.
- The 24 tokens that SmolLM2's prompts begin with, computed once a pass: 64 prompts are read in 2.0 s, not 2.8. Kept.
- Drawing from 49,152 tokens by spans of 128, not by one running sum: 0.5 ms for 64 rows, not 11. Kept.
- Top-p over those tokens that can be in it, not over a sorted vocabulary: 64 prompts in 15 s, not 28. Kept.
- Weights as the left factor, as they lie in their file: 17.5 ms for the linear layers with 16 rows, packed as the right one 17.5. Not kept.
- The three queries of a key head one after the other, not as a matrix (64 rows, 192 keys, all layers): scores 8.8 ms, not 10.9, and
  values 7.8, not 12.7: a matrix product first copies the keys into its own order. Kept for up to four queries; from there on it costs more.
- Queries scaled right before their product, which ONNX Runtime then makes one with it: products of one row with a factor are matrix
  products again, 0.32 ms a layer for scores of 64 rows with 112 keys, not 0.19. Not kept.
- Keys turned beforehand: 8.1 ms, not 8.8, without what turning them costs. Not kept.
- Prompt and past as one block of keys where a prompt has one sample: no faster, as the block is laid out anew while it grows. Not kept.
- Runs of 16 tokens, not 32, and prompts 512 tokens at a time, not 4,096: 64 prompts in 11.7 s, not 13.1. Kept.
- Huge pages (\`glibc.malloc.hugetlb=1\`): products with 64 rows 8 % faster, memory touched for the first time slower; no gain in all. With
  freed memory kept as well (\`mmap_threshold\`, \`trim_threshold\`), three turns of each: no more than repeats stray, and 2.2 GB more with
  1.1 billion weights. Not kept.

| ms a step (share) | ${profiles.map(({ of }) => of).join(' | ')} |
| --- |${' ---: |'.repeat(profiles.length)}
${lines.join('\n')}`;
}
