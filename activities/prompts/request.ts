/** What the selection of a run's prompts is asked, and what it drops. */
import type { ModelConfig } from '../../engine/model-files/config.ts';
import type { IgnoredCounts } from './ignored.ts';
import type { BenchmarkPrompts } from './keys.ts';
import type { LengthSettings } from './limits.ts';
import type { PromptTokenizer } from './reader.ts';
import type { SharedCounts } from './shared.ts';
import type { StoredPrompts } from './stored.ts';

export interface PromptSettings {
  train: string;
  /** A file, or the number of prompts to hold out of the training file. */
  heldOut: string | number;
  perRound?: number;
  /** What to do with prompts that are too long. Default: drop. */
  tooLong?: 'drop' | 'fail';
}

/** How many prompts of a file are dropped, and why. */
interface Dropped {
  /** Prompts with the same tokens as an earlier prompt of the file. */
  duplicates: number;
  tooLong: number;
  /** The longest permitted prompt, in tokens. */
  limit: number;
}

/** Also counts prompts that are used: those from which the chat template leaves something out, and prompts of benchmarks. */
export interface DroppedPrompts extends IgnoredCounts {
  /** `heldOut`: training prompts that are also held-out prompts (compared after normalization). */
  train: Dropped & { heldOut: number };
  heldOut: Dropped;
  /** Training prompts that are also prompts of a benchmark, by its name. Absent if there are none. */
  ofBenchmarks?: SharedCounts;
}

export interface PromptCheck {
  prompts: PromptSettings;
  limits: LengthSettings;
  seed: number;
  /** Prompts that earlier runs have trained on. They are not held out. */
  used?: StoredPrompts[];
  /** Whether the used prompts may be trained on again. Default: they are excluded. */
  trainsOnUsed?: boolean;
  /** If `heldOut` is a number: the held-out prompts of earlier runs, which this run keeps. */
  heldBefore?: StoredPrompts;
  /** The prompts of the run's benchmarks. */
  benchmarks?: BenchmarkPrompts[];
  tokenizer: PromptTokenizer;
  config: ModelConfig;
}
