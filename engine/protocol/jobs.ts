/**
 * What an engine computes: jobs and their results, as plain data. Whatever answers these jobs is a backend (engine/backends.ts). Models,
 * adapters, checkpoints and large sets of rows are given by path.
 */
import type {
  DemonstrationRecord,
  PreferenceRecord,
  PromptRecord,
  ReferenceLogps,
  Response,
  SampledScoreRecord,
  ScoreRecord,
  TemplateFields,
  Text,
  TokenizedPreferenceRecord,
  TokenizedScoreRecord,
} from '../../data/records.ts';
import type { ComputeSettings } from './compute.ts';
import type { LengthLimits, ObjectiveSettings, SamplingSettings, TrainingSettings } from './settings.ts';
import type { RowCounts } from '../../data/row-counts.ts';

/** A chat template given in place of a model's own, or arguments to it. */
export interface ChatTemplateSettings {
  /** The template's text. Default: the model's. */
  template?: string;
  /** The template of prompts with tools, if it is another one. Only with `template`. */
  toolTemplate?: string;
  /** Variables of the template, such as `enable_thinking`. */
  arguments?: Record<string, unknown>;
}

/** A policy: a Hugging Face model folder, and a PEFT adapter folder on top of it. Both are local paths. */
export interface Policy {
  model: string;
  adapter?: string;
  chatTemplate?: ChatTemplateSettings;
}

/** Progress of a job: `done` of `total` units. */
export interface Progress {
  done: number;
  total: number;
  unit: 'prompts' | 'rows' | 'steps' | 'answers' | 'pairs' | 'requests' | 'MB';
  /** Tokens processed so far, for rates. */
  tokens: number;
  /** Of training: the metrics of the step just done. */
  metrics?: TrainMetrics;
  /** Of training: the checkpoint folder just written. */
  checkpoint?: string;
  /** Of training that resumes from a checkpoint, once: the step of the checkpoint. */
  resumedFromStep?: number;
  /** Of sampling with `reportTokensEvery`: tokens sampled since the last report. */
  newTokens?: NewTokens[];
}

/** Tokens sampled for one response since the last report. */
export interface NewTokens {
  /** Index of the prompt in the job. */
  prompt: number;
  /** Index of the response among the prompt's samples. */
  sample: number;
  tokens: number[];
  /** Set with the last tokens of the response. */
  finishReason?: 'stop' | 'length';
}

interface ComputeJob extends ComputeSettings {
  policy: Policy;
}

/** Responses to sample. */
export interface SampleJob extends ComputeJob {
  /** Texts, which the chat template renders; or token ids, which are used as they are. */
  prompts: (Pick<PromptRecord, 'id' | 'prompt' | keyof TemplateFields> | { id: string; prompt_input_ids: number[] })[];
  settings: SamplingSettings;
  /** The random numbers of a sample depend only on (seed, prompt id, sample index). */
  seed: number;
  /** Report new tokens (`Progress.newTokens`) after at most this many tokens per response. Default: they are not reported. */
  reportTokensEvery?: number;
}
/** The sampled responses, and the prompts' tokens. */
export interface SampleResult {
  /** `samplesPerPrompt` for each prompt, in order. */
  responses: Response[][];
  /** Token ids of the prompts, in order. */
  promptIds: number[][];
  sampledTokens: number;
  /** With 8-bit weights: KL(policy || quantized policy), in nats per token, over some of the responses. */
  divergence?: { klPerToken: number; tokens: number };
}

/** Responses whose log-probabilities are computed. */
export interface ScoreJob extends ComputeJob {
  rows: (ScoreRecord | TokenizedScoreRecord | SampledScoreRecord)[];
  /** A new file for the feature vectors of the responses, one per row (see engine/features.ts). Default: they are not computed. */
  features?: string;
  /** Whether rows that are longer than the model's context are cut. Default: they are an error. */
  cut?: boolean;
}
/** For each row, in order: the sum of the log-probabilities (nats) of the response's tokens, and their number. */
export type ScoreResult = {
  logp: number;
  tokens: number;
  /** Set if the prompt's tokens are no prefix of the exchange's: the response begins where the two differ, as in TRL. */
  isPrefix?: false;
  /** Set if the row was cut. */
  isCut?: true;
}[];

/** Responses at whose tokens KL(policy || reference) is computed. */
export interface DivergenceJob extends ComputeJob {
  reference: Policy;
  /** A response may have no tokens. */
  rows: (TokenizedScoreRecord | SampledScoreRecord)[];
}
/** Of one response: KL(policy || reference) in nats, summed over its tokens, and the number of tokens. */
export interface ResponseDivergence {
  kl: number;
  tokens: number;
}
/** For each row, in order. */
export type DivergenceResult = ResponseDivergence[];

/** A prompt, and answers to it to be scored. */
export interface Answered {
  /** The prompt's id, for messages. */
  id: string;
  prompt: Text;
  answers: string[];
}

/** Scores of answers; higher is better. */
export interface Scores {
  /** One per answer, in order; none for an answer that is longer than the model reads and was not scored. */
  scores: (number | undefined)[][];
  /** Number of answers that the model read only in part, or whose prompt it read only in part. */
  cut: number;
}

/** What happens to an answer that is longer than a reward model reads: the model scores its beginning, or the answer gets no score. */
export type TooLong = 'cut' | 'unjudged';

/** Answers to be scored by a pairwise ranker. */
export interface RankJob extends ComputeSettings {
  /** The ranker's folder. */
  model: string;
  rows: Answered[];
}
/** Answers to be scored by a reward model. */
export interface RewardJob extends RankJob {
  /** Default: `cut`. */
  tooLong?: TooLong;
}

/** Sequences whose tokens are scored one by one. */
export interface TokenScoreJob extends ComputeJob {
  /** Token ids, at least one per sequence. */
  sequences: number[][];
}
/** Number of most likely tokens in `TokenScores`: the maximum of the OpenAI API. */
export const MOST_LIKELY = 20;
/** A token's log-probability (nats) given the tokens before it. */
export interface TokenScores {
  logp: number;
  /** The `MOST_LIKELY` most likely tokens at its position, most likely first. */
  top: { id: number; logp: number }[];
}

/** Metrics of one optimizer step, named as TRL logs them. */
export interface TrainMetrics {
  step: number;
  epoch: number;
  loss: number;
  grad_norm: number;
  learning_rate: number;
  'tokens/s': number;
  [metric: string]: number;
}

/** The checkpoints of a training. */
interface CheckpointSettings {
  dir: string;
  everySeconds: number;
  /** When the training is stopped: how long a last checkpoint may take to be written and uploaded. Default: no limit. */
  stopSeconds?: number;
}

interface TrainJob extends ComputeJob {
  training: TrainingSettings;
  seed: number;
  /** Gets the trained policy: a PEFT adapter, or a model if all weights are trained. Must not exist or be empty. */
  outDir: string;
  /** The folder of the checkpoints; training resumes from the latest one. Default: no checkpoints. */
  checkpoint?: CheckpointSettings;
}
/** Preferences, or the path of a file of them: very many do not fit into one message. */
type PreferenceRows = (PreferenceRecord | TokenizedPreferenceRecord)[] | string;

/** Training on preferences. */
export interface OptimizeJob extends TrainJob {
  rows: PreferenceRows;
  objective: ObjectiveSettings;
  /** The reference policy; or files with the results of `reference` for all preferences, in order. */
  reference: Policy | { logpFiles: string[] };
}

/** Preferences whose reference log-probabilities are computed. */
export interface ReferenceJob extends ComputeJob {
  rows: PreferenceRows;
  /** Index of the first row. */
  from: number;
  /** Index after the last row. */
  to: number;
  /** The limits of the training, which shorten prompts and responses. */
  limits: LengthLimits;
}

/** Supervised fine-tuning. */
export interface SftJob extends TrainJob {
  rows: DemonstrationRecord[];
}
/** The steps of a training. */
export interface TrainedSteps {
  steps: number;
  /** Of every step, in order, including those before a resume. */
  metrics: TrainMetrics[];
  resumedFromStep?: number;
  /** Checkpoints that were damaged, so that training could not resume from them. */
  damagedCheckpoints: string[];
}
/** What a training did. The trained policy is in the job's `outDir`. */
export interface TrainResult extends TrainedSteps {
  rows: RowCounts;
  /** Whether the trained weights equal, to the precision of float32, those that training started from. */
  unchanged: boolean;
}

/** A policy to be written as one model. */
export interface ExportJob {
  policy: Policy;
  /** Where the Hugging Face model folder, with the adapter merged in, is written. */
  outDir: string;
}

/** The methods of an engine: name, job, result. A backend implements all of them. */
export interface EngineMethods {
  sample(job: SampleJob): SampleResult;
  score(job: ScoreJob): ScoreResult;
  /** Exact: sums over the whole vocabulary at every token, at temperature 1. */
  divergence(job: DivergenceJob): DivergenceResult;
  /** Scores of a reward model. */
  reward(job: RewardJob): Scores;
  /** Scores of a pairwise ranker, comparable only among the answers to one prompt. */
  rank(job: RankJob): Scores;
  /** The scores of each sequence's tokens, except the first. */
  scoreTokens(job: TokenScoreJob): TokenScores[][];
  /** Log-probabilities under the reference policy of the preferences that training will use, in order. */
  reference(job: ReferenceJob): ReferenceLogps[];
  optimize(job: OptimizeJob): TrainResult;
  sft(job: SftJob): TrainResult;
  export(job: ExportJob): null;
}
export type EngineMethod = keyof EngineMethods;
export type JobOf<M extends EngineMethod> = Parameters<EngineMethods[M]>[0];
export type ResultOf<M extends EngineMethod> = ReturnType<EngineMethods[M]>;

/** What a caller gives with a job. */
export interface CallOptions {
  onProgress?: (progress: Progress) => void;
  /** Aborting it stops the job with `JobAborted`; training writes a checkpoint first, if it has a folder for checkpoints. */
  signal?: AbortSignal;
  /**
   * One per prompt or sequence. Aborting it ends the responses to that prompt where they are, or leaves out that sequence; the job
   * continues.
   */
  itemSignals?: AbortSignal[];
}

/** What a backend gets with a job: `CallOptions` on its side of the process boundary. */
export interface JobControl {
  onProgress: (progress: Progress) => void;
  /** Whether the job is to stop. */
  aborted: () => boolean;
  /** Aborted when the job is to stop: for a backend that waits for processes of its own. */
  signal?: AbortSignal;
  /** Whether a prompt or sequence, by its index, was cancelled. */
  isCancelled?: (item: number) => boolean;
}

/** An engine as its callers see it. It runs one job at a time, in the order of the calls. */
export interface Engine {
  /**
   * @throws InputError for bad input, and an `EngineError` (errors.ts) if the job was stopped, training diverged or the process died
   */
  run<M extends EngineMethod>(method: M, job: JobOf<M>, options?: CallOptions): Promise<ResultOf<M>>;
  /**
   * What computes with these settings, as step keys name it: the backend with its version, and all else that decides the bits of its
   * results, such as `onnxruntime 1.30.0`.
   * @throws InputError when the backend is not installed
   */
  version(settings: ComputeSettings): Promise<string>;
  /** Ends the engine's process, and with it the job that runs. */
  close(): Promise<void>;
}
