/** selm's performance goals, compared with the results of the bench. */
import { GENERATION, LENGTHS } from './cases.ts';
import { fastestPeer } from './generation-section.ts';
import {
  decodeRate,
  figure,
  gigabytes,
  memory,
  overhead,
  rate,
  ratio,
  seconds,
  stepShare,
  type Results,
} from './results.ts';

/** A performance goal. */
export interface Goal {
  text: string;
  wanted: number;
  /** Undefined if it was not measured. */
  measured: number | undefined;
  /** Whether lower is better. */
  atMost?: boolean;
  share?: boolean;
}

/** Whether a goal is reached. Undefined if it was not measured. */
export const reached = ({ measured, wanted, atMost }: Goal) =>
  measured === undefined ? undefined : atMost ? measured <= wanted : measured >= wanted;

/** Maximum memory growth when tokens double: linear growth plus 10 % for measurement noise. */
const LINEAR = 2.2;

/** Target speedups: token rates relative to each peer, and to selm with separate prompts. */
export const TIMES = { transformers: 4, llamaCpp: { f32: 1.3, q8_0: 1.5 }, apart: 1.8 };

/** Maximum shares of a round's time outside the engine. */
const OUTSIDE = [
  { name: 'round of the quickstart', share: 0.05 },
  { name: 'round of SmolLM2', share: 0.03 },
];

/** The goals with their measured values. */
export function goals(results: Results): Goal[] {
  const peer = (name: string, of = seconds) =>
    ratio(figure(results, name, 'pytorch', of), figure(results, name, 'selm', of));
  const generate = (name: string) => ratio(figure(results, name, 'selm', rate), figure(results, name, 'pytorch', rate));
  const llama = (name: string) =>
    ratio(figure(results, name, 'selm', decodeRate), figure(results, name, 'llama.cpp', decodeRate));
  const alone = (name: string, of: typeof rate) => figure(results, name, 'selm', of);
  return [
    { text: "optimize: times faster than the SELM authors' step", wanted: 5, measured: peer('optimize') },
    {
      text: "optimize: times less peak memory than the SELM authors' step",
      wanted: 5,
      measured: peer('optimize', memory),
    },
    { text: 'optimize, reference given: times faster', wanted: 3.5, measured: peer('optimize, reference given') },
    {
      text: "DPO of pairs: times faster than TRL's DPOTrainer",
      wanted: 1,
      measured: ratio(
        figure(results, 'DPO of pairs', 'trl', seconds),
        figure(results, 'DPO of pairs', 'selm', seconds),
      ),
    },
    {
      text: "optimize: share of the machine's matrix-product rate",
      wanted: 0.75,
      measured: stepShare(results),
      share: true,
    },
    ...[16, 64].map((n) => ({
      text: `sample: times transformers' tokens per second, ${n} rows`,
      wanted: TIMES.transformers,
      measured: generate(`sample ${n}`),
    })),
    ...GENERATION.map(({ name, size, format }) => ({
      text: `generate: times the fastest peer's tokens per second, ${format === 'f32' ? 'float32' : '8 bits'}, ${size.prompts} rows`,
      wanted: 1,
      measured: ratio(figure(results, name, 'selm', rate), fastestPeer(results, name)),
    })),
    ...[16, 64].map((n) => ({
      text: `decode: times llama.cpp's rate, f32, ${n} rows`,
      wanted: TIMES.llamaCpp.f32,
      measured: llama(`decode ${n} f32`),
    })),
    ...[16, 64].map((n) => ({
      text: `decode: times llama.cpp's rate, 8 bits, ${n} rows`,
      wanted: TIMES.llamaCpp.q8_0,
      measured: llama(`decode ${n} q8_0`),
    })),
    {
      text: '4 samples per prompt of 240 tokens: times the tokens per second of separate prompts',
      wanted: TIMES.apart,
      measured: ratio(alone('4 samples a prompt', rate), alone('4 samples a prompt, unshared', rate)),
    },
    ...OUTSIDE.map(({ name, share }) => ({
      text: `${name}: share outside the engine`,
      wanted: share,
      measured: alone(name, overhead),
      atMost: true,
      share: true,
    })),
    {
      text: `optimize: largest memory growth when tokens double, ${LENGTHS[0]} to ${LENGTHS.at(-1)}`,
      wanted: LINEAR,
      measured: growth(results),
      atMost: true,
    },
    {
      text: 'large: GB of memory for sampling, scoring and a LoRA step',
      wanted: 12,
      measured: alone('large', gigabytes),
      atMost: true,
    },
  ];
}

/** The largest memory growth. Infinite if a length did not fit into memory. */
function growth(results: Results): number | undefined {
  const sides = LENGTHS.map((n) => results.cases.find(({ name }) => name === `memory, ${n} tokens`)?.sides.selm);
  if (sides.some((side) => side?.missing !== undefined)) return Infinity;
  const peaks = sides.map((side) => side?.runs[0]?.peakMebibytes);
  const steps = peaks.slice(1).map((peak, i) => ratio(peak, peaks[i]));
  const known = steps.filter((step) => step !== undefined);
  return known.length === steps.length ? Math.max(...known) : undefined;
}
