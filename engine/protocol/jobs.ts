/** What the engine does, as plain data: the messages between a worker and the child process that hosts ONNX Runtime. */
import type {
  DemonstrationRecord,
  PreferenceRecord,
  PromptRecord,
  ReferenceLogps,
  Response,
  SampledScoreRecord,
  ScoreRecord,
  TokenizedPreferenceRecord,
  TokenizedScoreRecord,
} from '../../data/records.ts';
import type { ResponseDivergence } from '../onnx/divergence.ts';
import type { ChatTemplateSettings } from '../tokenizer/chat-template-settings.ts';
import type { TooLong } from '../onnx/rankers/context.ts';
import type { Answered, Scores } from '../onnx/rankers/reward.ts';
import type { ObjectiveSettings, SamplingSettings, TrainingSettings, Device } from './settings.ts';
import type { RowCounts } from '../../data/row-counts.ts';
import type { LengthLimits } from '../onnx/training/preference-tokens.ts';

/** A policy: a Hugging Face model folder, and a PEFT adapter folder on top of it. Both are local paths. */
export interface Policy {
  model: string;
  adapter?: string;
  /** A chat template of one's own, or arguments to the model's. */
  chatTemplate?: ChatTemplateSettings;
  /** Where it computes, and so in which numbers (see target.ts). Default: the CPU. */
  device?: Device;
}

/** How far a job is. `done`/`total` count `unit`s; `tokens` is the work behind it, for rates. */
export interface Progress {
  done: number;
  total: number;
  unit: 'prompts' | 'rows' | 'steps' | 'answers' | 'pairs';
  tokens: number;
  /** Of training: the metrics of the step just done. */
  metrics?: TrainMetrics;
  /** Of training: the checkpoint folder just completed. */
  checkpoint?: string;
  /** Of sampling with `reportTokensEvery`: what answers have gained since the last report. */
  newTokens?: NewTokens[];
}

/** Tokens that an answer has gained. */
export interface NewTokens {
  /** Index of the prompt in the job. */
  prompt: number;
  sample: number;
  tokens: number[];
  /** Where the answer ends with them. */
  finishReason?: 'stop' | 'length';
}

interface ComputeJob {
  policy: Policy;
  /** Threads of the matrix kernels: results are the same to the bit for the same number. Default: all cores. */
  threads?: number;
}

export interface SampleJob extends ComputeJob {
  /** As texts, or as token ids, to which nothing is added. */
  prompts: (Pick<PromptRecord, 'id' | 'prompt' | 'tools'> | { id: string; prompt_input_ids: number[] })[];
  settings: SamplingSettings;
  /** A sample's random numbers depend on (seed, prompt id, sample index) alone. */
  seed: number;
  /** Progress has the new tokens of every answer, after so many of them at most. Default: progress has no tokens. */
  reportTokensEvery?: number;
}
export interface SampleResult {
  /** In the order of the prompts. */
  responses: Response[][];
  /** The prompts' tokens. */
  promptIds: number[][];
  sampledTokens: number;
  /** Of 8-bit weights: KL(policy || quantized policy) over some of the answers. */
  divergence?: { klPerToken: number; tokens: number };
}

export interface ScoreJob extends ComputeJob {
  rows: (ScoreRecord | TokenizedScoreRecord | SampledScoreRecord)[];
}
/** Sum of the response tokens' log-probabilities (nats) and how many there are, in the order of the rows. */
export type ScoreResult = {
  logp: number;
  tokens: number;
  /** Where the prompt's own tokens are not the beginning of the whole's: the response begins where they part, as in TRL. */
  isPrefix?: false;
}[];

/** Responses along which KL(policy || reference) is measured. */
export interface DivergenceJob extends ComputeJob {
  /** Computed on the policy's device. */
  reference: Omit<Policy, 'device'>;
  /** As token ids, which may be none. */
  rows: (TokenizedScoreRecord | SampledScoreRecord)[];
}
/** In the order of the rows. */
export type DivergenceResult = ResponseDivergence[];

/** Answers to judge, by a model of their own. */
export interface JudgeJob {
  /** The model's folder. */
  model: string;
  rows: Answered[];
  threads?: number;
}
/** What becomes of answers that are longer than a reward model reads. Default: they are cut. */
export interface RewardJob extends JudgeJob {
  tooLong?: TooLong;
}

export interface TokenScoreJob extends ComputeJob {
  /** Token ids, at least one each. */
  sequences: number[][];
}
/** A token's log-probability (nats) after those before it, and the likeliest tokens in its place, best first. */
export interface TokenScores {
  logp: number;
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

interface TrainJob extends ComputeJob {
  training: TrainingSettings;
  seed: number;
  /** The trained policy: a PEFT adapter folder, or a model folder where all weights are trained. Must not exist yet, or be empty. */
  outDir: string;
  /** Where checkpoints are kept and looked for. Without it none is written. */
  checkpoint?: { dir: string; everySeconds: number };
}
/** Preferences, or the file that has them: a message with very many would be larger than memory. */
type PreferenceRows = (PreferenceRecord | TokenizedPreferenceRecord)[] | string;

export interface OptimizeJob extends TrainJob {
  rows: PreferenceRows;
  objective: ObjectiveSettings;
  /** The reference policy; or files with the rows of `reference` for all preferences, in order. */
  reference: Policy | { logpFiles: string[] };
}

export interface ReferenceJob extends ComputeJob {
  rows: PreferenceRows;
  /** Rows `from` to `to`, the last not included. */
  from: number;
  to: number;
  /** Those of the training: they cut what is scored. */
  limits: LengthLimits;
}
export interface SftJob extends TrainJob {
  rows: DemonstrationRecord[];
}
export interface TrainedSteps {
  steps: number;
  /** Every step's metrics, in order, those before a resume included. */
  metrics: TrainMetrics[];
  resumedFromStep?: number;
  /** Checkpoints from which it could not go on: something in them is not as it was written. */
  damagedCheckpoints: string[];
}
export interface TrainResult extends TrainedSteps {
  /** What became of the rows. */
  rows: RowCounts;
  /** Whether the trained weights are, in float32, those that training started from. */
  unchanged: boolean;
}

export interface ExportJob {
  policy: Policy;
  /** Gets a Hugging Face model folder with the adapter merged in. */
  outDir: string;
}

/** Everything the engine can be asked: name, parameters, result. */
export interface EngineMethods {
  sample(job: SampleJob): SampleResult;
  score(job: ScoreJob): ScoreResult;
  /** Exact over the vocabulary at every token, at temperature 1. */
  divergence(job: DivergenceJob): DivergenceResult;
  /** Rewards of a reward model. */
  reward(job: RewardJob): Scores;
  /** Scores of a pairwise ranker: comparable among the answers to one prompt only. */
  rank(job: JudgeJob): Scores;
  /** For each sequence the scores of its tokens, all but the first. */
  scoreTokens(job: TokenScoreJob): TokenScores[][];
  /** Log-probabilities of preferences' responses under the reference policy, of the rows that are trained on. */
  reference(job: ReferenceJob): ReferenceLogps[];
  optimize(job: OptimizeJob): TrainResult;
  sft(job: SftJob): TrainResult;
  export(job: ExportJob): null;
  /** Fails with an InputError where the device cannot be computed on. */
  check(job: { device: Device }): null;
}

export interface CallOptions {
  onProgress?: (progress: Progress) => void;
  /** Aborting ends the job: training writes a checkpoint first, where it has a folder for it. */
  signal?: AbortSignal;
  /** One a prompt or sequence: aborting ends the answers to that prompt where they are, or leaves out the sequence, and the job goes on. */
  itemSignals?: AbortSignal[];
}

/** The engine as a worker sees it: every method asynchronous, run one at a time, in a process of its own. */
export interface Engine {
  run<M extends keyof EngineMethods>(
    method: M,
    job: Parameters<EngineMethods[M]>[0],
    options?: CallOptions,
  ): Promise<ReturnType<EngineMethods[M]>>;
  close(): Promise<void>;
}
