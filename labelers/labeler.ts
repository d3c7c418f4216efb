/** Who prefers what: the one interface of verifier, reward model, pairwise ranker, judge and human. */
import type { z } from 'zod';
import type { PromptRecord } from '../data/records.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';

/** A prompt and the answers to it that are to be compared, as plain text. */
export interface Candidates {
  prompt: PromptRecord;
  answers: string[];
}

export interface Verdict {
  /**
   * Higher is better. Comparable among the answers to one prompt, and among those judged apart unless the labeler is
   * `comparative` (needs.ts). None: no judgement. Such an answer is neither chosen nor rejected, and is counted.
   */
  score?: number;
  /** Whether the answer does all that was asked. Only labelers with an absolute measure say so. */
  pass?: boolean;
}

export interface Judgement {
  /** One verdict an answer, in the order given. */
  verdicts: Verdict[][];
  /** What the judging came to beside them, by name (tokens, cache hits, …). Added up over shards, and told. */
  counts?: Record<string, number>;
}

export interface Labeler {
  readonly name: string;
  /**
   * What the verdicts depend on that the settings only name, such as the hash of a file. A part of the step's key: where it
   * changes, answers are labeled anew.
   */
  readonly identity?: Record<string, unknown>;
  /**
   * Told of every prompt before anything is computed.
   * @throws InputError when the labeler cannot judge answers to it
   */
  check?(prompt: PromptRecord): void;
  /** All prompts of a shard come in one call, so that a labeler may batch them, or ask for them concurrently, as suits it. */
  judge(prompts: Candidates[], options: CallOptions): Promise<Judgement>;
}

/** What labelers work with. */
export interface LabelTools {
  engine: Engine;
  /** Kept on this machine between shards and runs: each labeler has a folder of its name in it. */
  cacheFolder: string;
  /** Of the engine. */
  threads: number;
}

/** Finds what a setting names: relative to the file in which it is written. */
export interface Locate {
  path(given: string): string;
  /** A folder or a hub id. */
  model(given: string): string;
}

/** A labeler that users can name: its settings, and how it is made of them. */
export interface LabelerKind<Schema extends z.ZodObject = z.ZodObject> {
  /** `by` is the name. */
  schema: Schema;
  /**
   * Is cheap: a step calls it before it looks whether its artifact is there. What costs time waits for `judge`.
   * @throws InputError when the settings name something that is missing or wrong
   */
  create(settings: z.output<Schema>, tools: LabelTools): Labeler | Promise<Labeler>;
  /** The settings with their paths made absolute, where they have any. */
  locate?(settings: z.output<Schema>, locate: Locate): z.output<Schema>;
}

/** Lets TypeScript infer the settings of a kind from its schema. */
export const labelerKind = <Schema extends z.ZodObject>(kind: LabelerKind<Schema>) => kind;
