/** Batched decoding: prompts enter as others leave, samples of a prompt share its keys and values. */
import type { NewTokens } from '../../protocol/jobs.ts';
import { commonPrefix } from '../packing.ts';
import { adapterFeeds, type OpenPolicy } from '../policy.ts';
import { uniform } from '../../../data/random.ts';
import { bool, float32, int64, Session, type Feeds } from '../session.ts';
import type { SamplingSettings, Device } from '../../protocol/settings.ts';
import { CacheBlock } from './cache.ts';
import { decodeGraph, pastKey, pastValue, promptKey, promptValue } from './decode.ts';
import { fillRows, prefillGraph } from './prefill.ts';
import { emptyAnswer, isAnswered, Seats, type Generated, type Seat } from './seats.ts';
import type { ModelFiles } from '../model/model-files.ts';
import { checkPromptLength } from '../../tokens/prompts.ts';

/** Tokens decoded by one run of the graph: long enough to make what surrounds a run small, short enough to refill rows soon. */
const RUN_TOKENS: Record<Device, number> = { cpu: 16, cuda: 32 };

/** How a caller follows a generation, and ends parts of it. */
export interface GenerateOptions {
  /** Tokens between two reports at most. Default: as the device likes it. */
  runTokens?: number;
  /** Whether the answers to a prompt, by its index, are to end where they are; asked before each run. */
  isCancelled?: (prompt: number) => boolean;
}

export interface PromptTokens {
  /** Names the prompt in its random numbers: an answer depends on it and the seed, not on its neighbours. */
  id: string;
  tokens: number[];
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
   * @param onRun told after each run how many prompts are answered and tokens sampled, and the tokens of this run; may throw to stop
   * @returns each prompt's samples, in the order of the prompts
   */
  async generate(
    prompts: PromptTokens[],
    seed: number,
    onRun: (prompts: number, tokens: number, newTokens: NewTokens[]) => void,
    { runTokens = RUN_TOKENS[this.model.target.device], isCancelled = () => false }: GenerateOptions = {},
  ): Promise<Generated[][]> {
    const { samplesPerPrompt, batchSize } = this.settings;
    for (const { id, tokens } of prompts) checkPromptLength(id, tokens.length, this.model.config, this.settings);
    // Longest first: whoever takes a seat later fits the room that is there.
    const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].tokens.length - prompts[a].tokens.length || a - b);
    const seats = new Seats(order, Math.max(1, Math.floor(batchSize / samplesPerPrompt)), samplesPerPrompt);
    const layers = Array.from({ length: this.model.config.layers }, (_, layer) => layer);
    const promptBlock = new CacheBlock(
      this.model,
      layers.flatMap((l) => [promptKey(l), promptValue(l)]),
      'prompt_mask',
      1,
    );
    const pastBlock = new CacheBlock(
      this.model,
      layers.flatMap((l) => [pastKey(l), pastValue(l)]),
      'past_mask',
      samplesPerPrompt,
    );
    // The last token of a prompt is taken by the first decoding step.
    const cached = prompts.map(({ tokens }) => tokens.slice(0, -1));
    const prefix = commonPrefix(cached);
    const prefill = (feeds: Feeds) => this.prefill.run({ ...feeds, ...this.adapter });
    const results: Generated[][] = Array(prompts.length);
    let [answered, sampled] = [0, 0];

    const collect = (ended: Seat[]) => {
      for (const { prompt, samples } of ended) {
        results[prompt] = samples.map(({ tokens, logp, finishReason }) => ({ tokens, logp, finishReason }));
        answered++;
      }
    };

    for (;;) {
      const cancelled = seats.taken.filter((seat) => !isAnswered(seat) && isCancelled(seat.prompt));
      for (const sample of cancelled.flatMap(({ samples }) => samples)) sample.done = true;
      collect(cancelled);
      for (const prompt of seats.drop(isCancelled)) {
        results[prompt] = Array.from({ length: samplesPerPrompt }, emptyAnswer);
        answered++;
      }
      if (answered === prompts.length) return results;

      const before = seats.reseat();
      const cachedOf = seats.taken.map(({ prompt }) => cached[prompt]);
      promptBlock.arrange(before, Math.max(...cachedOf.map(({ length }) => length)));
      pastBlock.arrange(
        before.flatMap((seat) => rowsOf(seat, samplesPerPrompt)),
        0,
      );
      const entered = before.flatMap((seat, place) =>
        seat === undefined && cachedOf[place].length > 0 ? [place] : [],
      );
      await fillRows(
        prefill,
        entered.map((place) => cachedOf[place]),
        prefix,
        promptBlock,
        entered,
      );

      const gained = await this.decodeRun(prompts, seats.taken, seed, runTokens, promptBlock, pastBlock);
      sampled += gained.reduce((sum, { tokens }) => sum + tokens.length, 0);
      collect(seats.taken.filter(isAnswered));
      onRun(answered, sampled, gained);
    }
  }

  /** One run of the decode graph. Returns the tokens that answers gained. */
  private async decodeRun(
    prompts: PromptTokens[],
    seats: Seat[],
    seed: number,
    runTokens: number,
    promptBlock: CacheBlock,
    pastBlock: CacheBlock,
  ): Promise<NewTokens[]> {
    const { maxNewTokens, temperature } = this.settings;
    const rows = seats.flatMap(({ prompt: promptIndex, samples }) =>
      samples.map((sample, index) => ({ prompt: prompts[promptIndex], promptIndex, sample, index })),
    );
    const left = rows.map(({ sample }) => (sample.done ? 0 : maxNewTokens - sample.tokens.length));
    const trips = Math.min(runTokens, Math.max(...left));
    const uniforms = new Float32Array(trips * rows.length);
    if (temperature > 0) {
      for (let step = 0; step < trips; step++) {
        for (const [row, { prompt, sample, index }] of rows.entries()) {
          const place = sample.tokens.length + step;
          uniforms[step * rows.length + row] = uniform(seed, prompt.id, index, place);
        }
      }
    }
    const outputs = await this.decode.run({
      ...this.adapter,
      ...promptBlock.feeds(),
      ...pastBlock.feeds(),
      trips: int64([trips], []),
      ids: int64(
        rows.map(({ prompt, sample }) => sample.tokens.at(-1) ?? prompt.tokens.at(-1)!),
        [rows.length, 1],
      ),
      positions: int64(
        rows.map(({ prompt, sample }) => prompt.tokens.length - 1 + sample.tokens.length),
        [rows.length, 1],
      ),
      done: bool(
        Uint8Array.from(rows, ({ sample }) => Number(sample.done)),
        [rows.length],
      ),
      uniforms: float32(uniforms, [trips, rows.length]),
    });
    const [steps] = outputs['tokens'].dims;
    const [tokens, logps] = [outputs['tokens'].data as BigInt64Array, outputs['logps'].data as Float32Array];
    const gained: NewTokens[] = [];
    for (const [row, { promptIndex, sample, index }] of rows.entries()) {
      if (sample.done) continue;
      const before = sample.tokens.length;
      for (let step = 0; step < steps && !sample.done; step++) {
        const token = Number(tokens[step * rows.length + row]);
        sample.tokens.push(token);
        sample.logp += logps[step * rows.length + row];
        const stopped = this.eosIds.has(token);
        sample.finishReason = stopped ? 'stop' : 'length';
        sample.done = stopped || sample.tokens.length === maxNewTokens;
      }
      const ended = sample.done && { finishReason: sample.finishReason };
      gained.push({ prompt: promptIndex, sample: index, tokens: sample.tokens.slice(before), ...ended });
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

/** A seat's rows, one for each sample; as many undefined ones where there was no seat. */
const rowsOf = (seat: number | undefined, samples: number) =>
  Array.from({ length: samples }, (_, sample) => (seat === undefined ? seat : seat * samples + sample));
