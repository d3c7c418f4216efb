/** One run of the decode graph: from the active slots to its inputs, and from its outputs back to the samples. */
import { uniform } from '../../../data/random.ts';
import type { NewTokens } from '../../protocol/jobs.ts';
import type { SamplingSettings } from '../../protocol/settings.ts';
import type { LlamaConfig } from '../../model-files/llama-config.ts';
import { float32, int64, type Feeds } from '../session.ts';
import type { CacheBlock } from './cache.ts';
import { logitScale } from './sampling.ts';
import type { PromptTokens, Sample, Slot } from './slots.ts';

/** A sample that goes on, and where it belongs. The batch has one row for each, those of a prompt side by side. */
export interface Row {
  prompt: PromptTokens;
  promptIndex: number;
  /** The index of the prompt among those in the batch. */
  slot: number;
  sample: Sample;
  /** Of the sample among those of its prompt. */
  sampleIndex: number;
}

/** The rows of a batch. */
export const rowsOf = (slots: Slot[], prompts: PromptTokens[]): Row[] =>
  slots.flatMap(({ prompt: promptIndex, samples }, slot) =>
    samples.flatMap((sample, sampleIndex) =>
      sample.done ? [] : [{ prompt: prompts[promptIndex], promptIndex, slot, sample, sampleIndex }],
    ),
  );

/**
 * The inputs of decodeGraph() but the cache blocks and the adapter.
 * @param runTokens most tokens that the run adds to a row
 */
export function decodeFeeds(rows: Row[], settings: SamplingSettings, seed: number, runTokens: number): Feeds {
  const { maxNewTokens, temperature } = settings;
  const left = rows.map(({ sample }) => maxNewTokens - sample.tokens.length);
  const trips = Math.min(runTokens, Math.max(...left));
  const uniforms = new Float32Array(trips * rows.length);
  if (temperature > 0) {
    for (let step = 0; step < trips; step++) {
      for (const [row, { prompt, sample, sampleIndex }] of rows.entries()) {
        const tokenIndex = sample.tokens.length + step;
        uniforms[step * rows.length + row] = uniform(seed, prompt.id, sampleIndex, tokenIndex);
      }
    }
  }
  const scale = logitScale(temperature);
  const column = [rows.length, 1];
  const last = rows.map(({ prompt, sample }) => sample.tokens.at(-1) ?? prompt.tokens.at(-1)!);
  const positions = rows.map(({ prompt, sample }) => prompt.tokens.length - 1 + sample.tokens.length);
  return {
    trips: int64([trips], []),
    ids: int64(last, column),
    positions: int64(positions, column),
    uniforms: float32(uniforms, [trips, rows.length]),
    ...(scale !== undefined && { scale: float32(Float32Array.of(scale), []) }),
  };
}

/**
 * Where the queries of rows are among those of the prompts that their samples share (see `Sharing`). Cells of samples that are done have
 * queries of another row, whose results nothing reads.
 * @param prompts number of prompts in the batch
 */
export function sharingFeeds(
  rows: Row[],
  prompts: number,
  samples: number,
  { heads, kvHeads }: Pick<LlamaConfig, 'heads' | 'kvHeads'>,
): Feeds {
  if (samples === 1) return {};
  const group = heads / kvHeads;
  const toPrompts = new BigInt64Array(prompts * samples * heads);
  const toRows = new BigInt64Array(rows.length * heads);
  for (const [row, { slot, sampleIndex }] of rows.entries()) {
    for (let head = 0; head < heads; head++) {
      const [kvHead, query] = [Math.floor(head / group), head % group];
      const cell = ((slot * kvHeads + kvHead) * samples + sampleIndex) * group + query;
      toPrompts[cell] = BigInt(row * heads + head);
      toRows[row * heads + head] = BigInt(cell);
    }
  }
  return {
    row_prompts: int64(
      rows.map(({ slot }) => slot),
      [rows.length],
    ),
    to_prompts: int64(toPrompts, [toPrompts.length]),
    to_rows: int64(toRows, [toRows.length]),
  };
}

/**
 * Adds a run's tokens to the samples, up to the token that ends each.
 * @returns the tokens that were added, by sample
 */
export function addTokens(
  rows: Row[],
  outputs: Feeds,
  { maxNewTokens }: SamplingSettings,
  eosIds: Set<number>,
): NewTokens[] {
  const [steps] = outputs['tokens'].dims;
  const [tokens, logps] = [outputs['tokens'].data as BigInt64Array, outputs['logps'].data as Float32Array];
  const added: NewTokens[] = [];
  for (const [row, { promptIndex, sample, sampleIndex }] of rows.entries()) {
    const before = sample.tokens.length;
    for (let step = 0; step < steps && !sample.done; step++) {
      const token = Number(tokens[step * rows.length + row]);
      sample.tokens.push(token);
      sample.logp += logps[step * rows.length + row];
      const stopped = eosIds.has(token);
      sample.finishReason = stopped ? 'stop' : 'length';
      sample.done = stopped || sample.tokens.length === maxNewTokens;
    }
    const ended = sample.done && { finishReason: sample.finishReason };
    added.push({ prompt: promptIndex, sample: sampleIndex, tokens: sample.tokens.slice(before), ...ended });
  }
  return added;
}

/**
 * Appends a run's keys and values to the block of earlier runs, for the samples that go on.
 * @param block one row per sample
 */
export function keepCache(rows: Row[], outputs: Feeds, block: CacheBlock): void {
  const [steps] = outputs['tokens'].dims;
  const lengths = rows.map(({ sample }, row) => (sample.done ? 0 : block.lengths[row] + steps));
  block.arrange([...rows.keys()], Math.max(...lengths));
  const source = (name: string) => outputs[name.replace('past_', '')];
  for (const [row, { sample }] of rows.entries()) {
    if (!sample.done) block.append(row, source, row, steps, steps);
  }
}
