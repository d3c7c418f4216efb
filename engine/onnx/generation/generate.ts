/** Batched generation: responses leave as they end, prompts enter in their place, and the samples of a prompt share its keys and values. */
import type { NewTokens } from '../../protocol/jobs.ts';
import type { SamplingSettings } from '../../protocol/settings.ts';
import { checkPromptLength } from '../../tokens/prompts.ts';
import type { LlamaConfig } from '../../model-files/llama-config.ts';
import { commonPrefix } from '../../training/groups.ts';
import { adapterFeeds } from '../policy.ts';
import type { LlamaPolicy } from '../../tokens/policy.ts';
import { Session, type Feeds } from '../session.ts';
import { CacheBlock } from './cache.ts';
import { addTokens, decodeFeeds, keepCache, rowsOf, sharingFeeds, type Row } from './decode-run.ts';
import { decodeGraph, pastKey, pastValue, promptKey, promptValue } from './decode.ts';
import { fillRows, prefillGraph } from './prefill.ts';
import { emptyResponse, isComplete, Slots, type Generated, type PromptTokens, type Slot } from './slots.ts';

/** Tokens decoded by one run of the graph: enough to make the cost of a run small, few enough to refill slots soon. */
const RUN_TOKENS = 16;

/** How a caller follows a generation and cancels parts of it. */
export interface GenerateOptions {
  /** In place of the settings that the generator was opened with; their graphChoice() must be the same. */
  settings?: SamplingSettings;
  /** Most tokens of a response between two reports. */
  runTokens?: number;
  /** Whether a prompt, by its index, is cancelled: its responses end where they are. Called before each run. */
  isCancelled?: (prompt: number) => boolean;
}

/** Generates responses with one policy, and with sampling settings that have the same graph. */
export class Generator {
  private readonly config: LlamaConfig;
  private readonly settings: SamplingSettings;
  private readonly prefill: Session;
  private readonly decode: Session;
  private readonly adapter: Feeds;
  private readonly eosIds: Set<number>;

  private constructor(
    config: LlamaConfig,
    settings: SamplingSettings,
    sessions: { prefill: Session; decode: Session },
    adapter: Feeds,
    eosIds: number[],
  ) {
    this.config = config;
    this.settings = settings;
    this.prefill = sessions.prefill;
    this.decode = sessions.decode;
    this.adapter = adapter;
    this.eosIds = new Set(eosIds);
  }

  /** @param eosIds tokens that end a response */
  static async open(
    { model, adapter }: Pick<LlamaPolicy, 'model' | 'adapter'>,
    settings: SamplingSettings,
    eosIds: number[],
    threads: number,
  ): Promise<Generator> {
    const options = { folder: model.dataFolder, threads };
    // Decoding first: while its session packs the weights they are in memory twice, and prefill may add a copy.
    const decode = await Session.open(decodeGraph(model, adapter, settings, eosIds), { ...options, prepack: true });
    const prefill = await Session.open(prefillGraph(model, adapter), options);
    return new Generator(model.config, settings, { prefill, decode }, adapterFeeds(adapter), eosIds);
  }

  /**
   * @param onRun called after each run with the number of complete prompts, the tokens sampled so far, and those of this run;
   *   what it throws ends the generation
   * @returns each prompt's samples, in the order of the prompts
   * @throws InputError when a prompt is longer than the settings or the model allow
   */
  async generate(
    prompts: PromptTokens[],
    seed: number,
    onRun: (prompts: number, tokens: number, newTokens: NewTokens[]) => void,
    { settings = this.settings, runTokens = RUN_TOKENS, isCancelled = () => false }: GenerateOptions = {},
  ): Promise<Generated[][]> {
    const { samplesPerPrompt, batchSize } = settings;
    for (const { id, tokens } of prompts) checkPromptLength(id, tokens.length, this.config, settings);
    // Longest first: a prompt that takes a slot later fits into the memory that is there.
    const order = prompts.map((_, i) => i).sort((a, b) => prompts[b].tokens.length - prompts[a].tokens.length || a - b);
    const slots = new Slots(order, batchSize, samplesPerPrompt);
    const cache = this.openCache();
    // The first decoding step takes the last token of a prompt.
    const cached = prompts.map(({ tokens }) => tokens.slice(0, -1));
    const prefix = commonPrefix(cached);
    const results: Generated[][] = Array(prompts.length);
    let [complete, sampled] = [0, 0];
    let rows: Row[] = [];

    const collect = (ended: Slot[]) => {
      for (const { prompt, samples } of ended) {
        results[prompt] = samples.map(({ tokens, logp, finishReason }) => ({ tokens, logp, finishReason }));
        complete++;
      }
    };

    for (;;) {
      const cancelled = slots.active.filter((slot) => !isComplete(slot) && isCancelled(slot.prompt));
      for (const sample of cancelled.flatMap(({ samples }) => samples)) sample.done = true;
      collect(cancelled);
      for (const prompt of slots.drop(isCancelled)) {
        results[prompt] = Array.from({ length: samplesPerPrompt }, emptyResponse);
        complete++;
      }
      if (complete === prompts.length) return results;

      const before = slots.refill();
      const activePrompts = slots.active.map(({ prompt }) => cached[prompt]);
      await this.fillCache(cache.prompts, before, activePrompts, prefix);
      const rowOf = new Map(rows.map(({ sample }, row) => [sample, row]));
      rows = rowsOf(slots.active, prompts);
      cache.past.arrange(
        rows.map(({ sample }) => rowOf.get(sample)),
        0,
      );

      const outputs = await this.decode.run({
        ...this.adapter,
        ...cache.prompts.feeds(),
        ...cache.past.feeds(),
        ...decodeFeeds(rows, settings, seed, runTokens),
        ...sharingFeeds(rows, slots.active.length, samplesPerPrompt, this.config),
      });
      const added = addTokens(rows, outputs, settings, this.eosIds);
      keepCache(rows, outputs, cache.past);
      sampled += added.reduce((sum, { tokens }) => sum + tokens.length, 0);
      collect(slots.active.filter(isComplete));
      onRun(complete, sampled, added);
    }
  }

  /** Empty blocks for keys and values: those of the prompts, and those of the samples' tokens of earlier runs. */
  private openCache() {
    const layers = Array.from({ length: this.config.layers }, (_, layer) => layer);
    const promptNames = layers.flatMap((layer) => [promptKey(layer), promptValue(layer)]);
    const pastNames = layers.flatMap((layer) => [pastKey(layer), pastValue(layer)]);
    return {
      prompts: new CacheBlock(this.config, promptNames, 'prompt_mask'),
      past: new CacheBlock(this.config, pastNames, 'past_mask'),
    };
  }

  /**
   * Arranges the block of the prompts as the slots are now, and computes the keys and values of those that have just entered.
   * @param before what refill() returned
   * @param activePrompts each slot's prompt without its last token
   * @param prefix what all prompts begin with
   */
  private async fillCache(
    block: CacheBlock,
    before: (number | undefined)[],
    activePrompts: number[][],
    prefix: number[],
  ): Promise<void> {
    block.arrange(before, Math.max(...activePrompts.map(({ length }) => length)));
    const entered = [...before.keys()].filter((i) => before[i] === undefined && activePrompts[i].length > 0);
    const sequences = entered.map((i) => activePrompts[i]);
    const run = (feeds: Feeds) => this.prefill.run({ ...feeds, ...this.adapter });
    await fillRows(run, sequences, prefix, block, entered);
  }

  async close(): Promise<void> {
    await Promise.all([this.prefill.close(), this.decode.close()]);
  }
}
