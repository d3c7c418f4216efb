/** Batched decoding: prompts enter as others leave, samples of a prompt share its keys and values. */
import type { ModelFiles } from '../model/parameters.ts';
import { packTokens, planBatches } from '../packing.ts';
import { adapterFeeds, type OpenPolicy } from '../policy.ts';
import { uniform } from '../random.ts';
import { bool, float32, int64, Session, type Feeds } from '../session.ts';
import type { SamplingSettings } from '../settings.ts';
import type { Device } from '../target.ts';
import { checkPromptLength } from '../tokenize.ts';
import { CacheBlock } from './cache.ts';
import { decodeGraph, pastKey, pastValue, promptKey, promptValue } from './decode.ts';
import { prefillGraph } from './prefill.ts';

/** Tokens decoded by one run of the graph: long enough to make what surrounds a run small, short enough to refill rows soon. */
const RUN_TOKENS: Record<Device, number> = { cpu: 16, cuda: 32 };
/** Prompt tokens computed at once: bounds memory. */
const PREFILL_TOKENS = 512;

export interface PromptTokens {
  /** Names the prompt in its random numbers: an answer depends on it and the seed, not on its neighbours. */
  id: string;
  tokens: number[];
}

export interface Generated {
  tokens: number[];
  /** Sum of the tokens' log-probabilities at temperature 1, in nats. */
  logp: number;
  finishReason: 'stop' | 'length';
}

/** A prompt being answered: its samples occupy neighbouring rows. */
interface Slot {
  prompt: number;
  samples: Sample[];
}

interface Sample extends Generated {
  done: boolean;
}

/** Answers prompts with one policy and one way of sampling. */
export class Generator {
  private readonly model: Pick<ModelFiles, 'config' | 'target'>;
  private readonly settings: SamplingSettings;
  private readonly prefill: Session;
  private readonly decode: Session;
  private readonly adapter: Feeds;
  private readonly eosIds: Set<number>;

  private constructor(
    model: Pick<ModelFiles, 'config' | 'target'>,
    settings: SamplingSettings,
    sessions: { prefill: Session; decode: Session },
    adapter: Feeds,
    eosIds: number[],
  ) {
    this.model = model;
    this.settings = settings;
    this.prefill = sessions.prefill;
    this.decode = sessions.decode;
    this.adapter = adapter;
    this.eosIds = new Set(eosIds);
  }

  /** @param eosIds tokens that end an answer */
  static async open(
    { model, adapter }: Pick<OpenPolicy, 'model' | 'adapter'>,
    settings: SamplingSettings,
    eosIds: number[],
    threads: number,
  ): Promise<Generator> {
    const options = { folder: model.dataFolder, device: model.target.device, threads };
    // In this order: until the weights of the one are packed they are in memory twice, and the other may bring a copy of its own.
    const decode = await Session.open(decodeGraph(model, adapter, settings, eosIds), { ...options, prepack: true });
    const prefill = await Session.open(prefillGraph(model, adapter), options);
    return new Generator(model, settings, { prefill, decode }, adapterFeeds(adapter), eosIds);
  }

  /**
   * @param onRun told after each run how many prompts are answered and tokens sampled; may throw to stop
   * @returns each prompt's samples, in the order of the prompts
   */
  async generate(
    prompts: PromptTokens[],
    seed: number,
    onRun: (prompts: number, tokens: number) => void,
  ): Promise<Generated[][]> {
    const { samplesPerPrompt, batchSize } = this.settings;
    for (const { id, tokens } of prompts) checkPromptLength(id, tokens.length, this.model.config, this.settings);
    // Longest first: whoever takes a place later fits the room that is there.
    const waiting = prompts
      .map((_, i) => i)
      .sort((a, b) => prompts[b].tokens.length - prompts[a].tokens.length || a - b);
    const slotCount = Math.min(prompts.length, Math.max(1, Math.floor(batchSize / samplesPerPrompt)));
    const results: Generated[][] = Array(prompts.length);
    const layers = Array.from({ length: this.model.config.layers }, (_, layer) => layer);
    const promptBlock = new CacheBlock(this.model, layers.flatMap((l) => [promptKey(l), promptValue(l)]), 'prompt_mask', 1); // prettier-ignore
    const pastBlock = new CacheBlock(this.model, layers.flatMap((l) => [pastKey(l), pastValue(l)]), 'past_mask', samplesPerPrompt); // prettier-ignore
    const enter = (): Slot => ({
      prompt: waiting.shift()!,
      samples: Array.from({ length: samplesPerPrompt }, emptySample),
    });
    let slots: Slot[] = [];
    let [answered, sampled] = [0, 0];

    while (answered < prompts.length) {
      // Who is answered makes place for who waits, and nobody waiting, for nobody: the batch shrinks.
      const seats: { slot: Slot; row?: number }[] = [];
      for (const [row, slot] of slots.entries()) {
        if (!isAnswered(slot)) seats.push({ slot, row });
        else if (waiting.length > 0) seats.push({ slot: enter() });
      }
      while (seats.length < slotCount && waiting.length > 0) seats.push({ slot: enter() });
      slots = seats.map(({ slot }) => slot);

      const rows = seats.map(({ row }) => row);
      const sampleRows = rows.flatMap((row) =>
        Array.from({ length: samplesPerPrompt }, (_, s) => (row === undefined ? row : row * samplesPerPrompt + s)),
      );
      promptBlock.arrange(rows, Math.max(...slots.map(({ prompt }) => prompts[prompt].tokens.length - 1)));
      pastBlock.arrange(sampleRows, 0);
      const entered = seats.flatMap(({ row }, place) => (row === undefined ? [place] : []));
      await this.fillPrompts(prompts, slots, entered, promptBlock);

      sampled += await this.decodeRun(prompts, slots, seed, promptBlock, pastBlock);
      for (const { prompt, samples } of slots.filter(isAnswered)) {
        results[prompt] = samples.map(({ tokens, logp, finishReason }) => ({ tokens, logp, finishReason }));
        answered++;
      }
      onRun(answered, sampled);
    }
    return results;
  }

  /** Computes the keys and values of prompts that entered, all tokens but the last, which the first decoding step takes. */
  private async fillPrompts(
    prompts: PromptTokens[],
    slots: Slot[],
    places: number[],
    block: CacheBlock,
  ): Promise<void> {
    const filled = places.filter((place) => prompts[slots[place].prompt].tokens.length > 1);
    const groups = filled.map((place) => ({ prompt: prompts[slots[place].prompt].tokens.slice(0, -1), responses: [] }));
    for (const batch of planBatches(groups, PREFILL_TOKENS)) {
      const { feeds, starts } = packTokens(batch.map((i) => groups[i]));
      const outputs = await this.prefill.run({ ...feeds, ...this.adapter });
      const source = (name: string) => outputs[name.replace('prompt_', '')];
      const width = feeds['ids'].dims[1];
      for (const [n, i] of batch.entries()) {
        block.append(filled[i], source, 0, width, groups[i].prompt.length, starts[n]);
      }
    }
  }

  /** One run of the decode graph. Returns the number of tokens that answers gained. */
  private async decodeRun(
    prompts: PromptTokens[],
    slots: Slot[],
    seed: number,
    promptBlock: CacheBlock,
    pastBlock: CacheBlock,
  ): Promise<number> {
    const { maxNewTokens, temperature } = this.settings;
    const rows = slots.flatMap((slot) => slot.samples.map((sample, index) => ({ slot, sample, index })));
    const left = rows.map(({ sample }) => (sample.done ? 0 : maxNewTokens - sample.tokens.length));
    const trips = Math.min(RUN_TOKENS[this.model.target.device], Math.max(...left));
    const uniforms = new Float32Array(trips * rows.length);
    if (temperature > 0) {
      for (let step = 0; step < trips; step++) {
        for (const [row, { slot, sample, index }] of rows.entries()) {
          const place = sample.tokens.length + step;
          uniforms[step * rows.length + row] = uniform(seed, prompts[slot.prompt].id, index, place);
        }
      }
    }
    const lastToken = ({ slot, sample }: (typeof rows)[number]) =>
      sample.tokens.at(-1) ?? prompts[slot.prompt].tokens.at(-1)!;
    const outputs = await this.decode.run({
      ...this.adapter,
      ...promptBlock.feeds(),
      ...pastBlock.feeds(),
      trips: int64([trips], []),
      ids: int64(rows.map(lastToken), [rows.length, 1]),
      positions: int64(
        rows.map(({ slot, sample }) => prompts[slot.prompt].tokens.length - 1 + sample.tokens.length),
        [rows.length, 1],
      ),
      done: bool(Uint8Array.from(rows, ({ sample }) => Number(sample.done)), [rows.length]), // prettier-ignore
      uniforms: float32(uniforms, [trips, rows.length]),
    });
    const [steps] = outputs['tokens'].dims;
    const [tokens, logps] = [outputs['tokens'].data as BigInt64Array, outputs['logps'].data as Float32Array];
    let gained = 0;
    for (const [row, { sample }] of rows.entries()) {
      if (sample.done) continue;
      for (let step = 0; step < steps && !sample.done; step++) {
        const token = Number(tokens[step * rows.length + row]);
        sample.tokens.push(token);
        sample.logp += logps[step * rows.length + row];
        gained++;
        const stopped = this.eosIds.has(token);
        sample.finishReason = stopped ? 'stop' : 'length';
        sample.done = stopped || sample.tokens.length === maxNewTokens;
      }
    }
    pastBlock.arrange(
      rows.map((_, row) => row),
      Math.max(...rows.map(({ sample }, row) => (sample.done ? 0 : pastBlock.lengths[row] + steps))),
    );
    const source = (name: string) => outputs[name.replace('past_', '')];
    for (const [row, { sample }] of rows.entries()) {
      if (!sample.done) pastBlock.append(row, source, row, steps, steps);
    }
    return gained;
  }

  async close(): Promise<void> {
    await Promise.all([this.prefill.close(), this.decode.close()]);
  }
}

const isAnswered = ({ samples }: Slot) => samples.every((sample) => sample.done);

const emptySample = (): Sample => ({ tokens: [], logp: 0, finishReason: 'length', done: false });
