/** The interface of labelers, which score candidate responses: verifiers, reward models, pairwise rankers, judges. */
import type { z } from 'zod';
import type { ModelSource } from '../artifacts/copy-model.ts';
import type { PromptRecord } from '../data/records.ts';
import type { ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';

/** A prompt and the responses to score, as plain text. */
export interface Candidates {
  prompt: PromptRecord;
  answers: string[];
}

/** A labeler's verdict on a response. */
export interface Verdict {
  /**
   * Higher is better. Scores of responses to the same prompt are comparable; scores of different calls only if the labeler is not
   * comparative (needs.ts). Absent if the response was not scored; such a response is excluded from pairs and counted.
   */
  score?: number;
  /** Whether the response meets all requirements. Only set by labelers with an absolute criterion. */
  pass?: boolean;
}

/** The verdicts of one call of a labeler. */
export interface Judgement {
  /** One list per prompt with one verdict per response, in order. */
  verdicts: Verdict[][];
  /** Counters by name (tokens, …), which are summed over shards and reported. */
  counts?: Record<string, number>;
}

/** Scores candidate responses. */
export interface Labeler {
  readonly name: string;
  /**
   * Inputs of the verdicts besides the settings, such as the hash of a file. They are a part of the step key: if they change, the
   * responses are labeled again.
   */
  readonly identity?: Record<string, unknown>;
  /**
   * Validates a prompt. Called with all prompts before any computation.
   * @throws InputError when the labeler cannot score responses to the prompt
   */
  check?(prompt: PromptRecord): void;
  /** Scores all responses of a shard in one call, so that a labeler can batch prompts or send requests concurrently. */
  judge(prompts: Candidates[], options: CallOptions): Promise<Judgement>;
}

/** Resources that the step provides to labelers. */
export interface LabelTools {
  engine: Engine;
  /** A persistent folder on this machine, with a subfolder per labeler. */
  cacheFolder: string;
  /** Where models on the hub come from. Default: the hub. */
  models?: ModelSource;
  /** How the engine computes for the labeler: `backend`, `device` and `gpus` only for what the torch backend can compute. */
  compute: ComputeSettings & { threads: number };
}

/** Resolves paths in settings relative to the configuration file, and reads what workers do not have. */
export interface Locate {
  path(given: string): string;
  /** A folder or a hub id. */
  model(given: string): string;
  /** A file or a hub data set. */
  dataset(given: string): string;
  /**
   * The text of a file that only this machine may have.
   * @param advice what to do if it cannot be read, such as 'label.guidelines needs a Markdown file'
   */
  text(given: string, advice: string): string;
}

/** A kind of labeler: the schema of its settings, and a function that creates it. */
export interface LabelerKind<Schema extends z.ZodObject = z.ZodObject> {
  /** Schema of the settings; the field `by` is the name. */
  schema: Schema;
  /**
   * Creates the labeler. Must be cheap, because a step calls it before it looks for a cached artifact; do expensive work in `judge`.
   * @throws InputError when a file, model or server in the settings is missing or wrong
   */
  create(settings: z.output<Schema>, tools: LabelTools): Labeler | Promise<Labeler>;
  /** The settings with absolute paths. Needed only for settings that contain paths. */
  locate?(settings: z.output<Schema>, locate: Locate): z.output<Schema>;
}

/** Lets TypeScript infer the settings of a kind from its schema. */
export const labelerKind = <Schema extends z.ZodObject>(kind: LabelerKind<Schema>) => kind;
