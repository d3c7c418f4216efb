/** The interface of labelers, which score candidate responses: verifiers, reward models, pairwise rankers, judges. */
import type { z } from 'zod';
import type { PromptRecord } from '../data/records.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';

/** A prompt and the responses to score, as plain text. */
export interface Candidates {
  prompt: PromptRecord;
  answers: string[];
}

export interface Verdict {
  /**
   * Higher is better. Comparable among the responses to one prompt, and across calls unless the labeler is comparative (needs.ts).
   * Absent: not scored. Such a response is excluded from pairs and counted.
   */
  score?: number;
  /** Whether the response meets all requirements. Only labelers with an absolute criterion set it. */
  pass?: boolean;
}

export interface Judgement {
  /** One verdict per response, in order. */
  verdicts: Verdict[][];
  /** Counters by name (tokens, cache hits, …), which are summed over shards and reported. */
  counts?: Record<string, number>;
}

export interface Labeler {
  readonly name: string;
  /**
   * What the verdicts depend on besides the settings, such as the hash of a file. A part of the step key: when it changes, responses
   * are labeled again.
   */
  readonly identity?: Record<string, unknown>;
  /**
   * Called with every prompt before anything is computed.
   * @throws InputError when the labeler cannot score responses to it
   */
  check?(prompt: PromptRecord): void;
  /** Scores the responses of a whole shard, so that a labeler can batch prompts or send requests concurrently. */
  judge(prompts: Candidates[], options: CallOptions): Promise<Judgement>;
}

/** What labelers get from the step. */
export interface LabelTools {
  engine: Engine;
  /** Kept on this machine between shards and runs; each labeler has a folder of its name in it. */
  cacheFolder: string;
  /** Threads of the engine. */
  threads: number;
}

/** Resolves paths in settings, relative to the file that they are in. */
export interface Locate {
  path(given: string): string;
  /** A folder or a hub id. */
  model(given: string): string;
}

/** A labeler that a configuration can name: its settings, and how it is created. */
export interface LabelerKind<Schema extends z.ZodObject = z.ZodObject> {
  /** `by` is the name. */
  schema: Schema;
  /**
   * Must be cheap: a step calls it before it looks for a cached artifact. Expensive work belongs into `judge`.
   * @throws InputError when a file, model or server of the settings is missing or wrong
   */
  create(settings: z.output<Schema>, tools: LabelTools): Labeler | Promise<Labeler>;
  /** The settings with their paths made absolute, where they have any. */
  locate?(settings: z.output<Schema>, locate: Locate): z.output<Schema>;
}

/** Lets TypeScript infer the settings of a kind from its schema. */
export const labelerKind = <Schema extends z.ZodObject>(kind: LabelerKind<Schema>) => kind;
