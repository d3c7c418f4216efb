/** The figures of the SELM paper (arXiv 2405.19332v3, Tables 1 and 2), for runs whose recipe is the paper's. */
import type { RunConfig } from '../config/run.ts';
import { parseModelId } from '../data/hub/ids.ts';

/** The columns of the paper's tables, in their order. */
export const COLUMNS = [
  'AlpacaEval 2 LC',
  'AlpacaEval 2 WR',
  'avg. length',
  'MT-Bench',
  '1st turn',
  '2nd turn',
  'GSM8K',
  'HellaSwag',
  'ARC',
  'TruthfulQA',
  'EQ',
  'OBQA',
  'average',
] as const;
export type Column = (typeof COLUMNS)[number];

/** Figures by the columns: win rates and accuracies in per cent, lengths in characters, MT-Bench from 1 to 10. */
export type Figures = Partial<Record<Column, number>>;

const figures = (...values: number[]): Figures => Object.fromEntries(COLUMNS.map((column, i) => [column, values[i]]));

export interface PaperModel {
  /** The paper's name for what the run starts from, and its figures. */
  start: { name: string; figures: Figures };
  /** The figures of SELM's iterations. */
  iterations: Figures[];
  /** What differs from the paper. */
  difference?: string;
}

const zephyrIterations = [
  figures(20.52, 17.23, 1624, 7.53, 7.74, 7.31, 46.3, 84.8, 62.9, 52.9, 68.8, 39.6, 59.2),
  figures(21.84, 18.78, 1665, 7.61, 7.85, 7.38, 46.2, 85.4, 62.1, 53.1, 69.3, 39.6, 59.3),
  figures(24.25, 21.05, 1694, 7.61, 7.74, 7.49, 43.8, 85.4, 61.9, 52.4, 69.9, 39.8, 58.9),
];

const zephyrDpo: PaperModel = {
  start: {
    name: 'Zephyr-7B-DPO',
    figures: figures(15.41, 14.44, 1752, 7.31, 7.55, 7.07, 47.2, 84.5, 61.9, 45.5, 65.2, 38.0, 57.0),
  },
  iterations: zephyrIterations,
};

const zephyrSft: PaperModel = {
  start: {
    name: 'Zephyr-7B-SFT',
    figures: figures(8.01, 4.63, 916, 5.3, 5.63, 4.97, 43.8, 82.2, 57.4, 43.6, 39.1, 35.4, 50.3),
  },
  iterations: zephyrIterations,
  difference:
    'The paper first trains Zephyr-7B-SFT by DPO on a quarter of the prompts, and starts SELM from that model ' +
    '(Zephyr-7B-DPO); this run starts SELM from Zephyr-7B-SFT.',
};

const llama: PaperModel = {
  start: {
    name: 'Llama-3-8B-Instruct',
    figures: figures(22.92, 22.57, 1899, 7.93, 8.47, 7.38, 76.7, 78.6, 60.8, 51.7, 61.8, 38.0, 61.3),
  },
  iterations: [
    figures(31.09, 30.9, 1956, 8.09, 8.57, 7.61, 78.7, 81.7, 64.5, 55.4, 64.1, 42.4, 64.5),
    figures(33.53, 32.61, 1919, 8.18, 8.69, 7.66, 79.3, 81.8, 64.7, 56.5, 64.2, 42.6, 64.9),
    figures(34.67, 34.78, 1948, 8.25, 8.53, 7.98, 80.1, 81.8, 64.3, 56.5, 64.2, 42.8, 65.0),
  ],
};

/** By hub id: the paper's models, and copies of them. */
const MODELS: Record<string, { model: PaperModel; alpha: number } | undefined> = {
  'ZhangShenao/DPO-Zephyr-7B': { model: zephyrDpo, alpha: 1e-3 },
  'HuggingFaceH4/mistral-7b-sft-beta': { model: zephyrSft, alpha: 1e-3 },
  'alignment-handbook/zephyr-7b-sft-full': { model: zephyrSft, alpha: 1e-3 },
  'meta-llama/Meta-Llama-3-8B-Instruct': { model: llama, alpha: 1e-4 },
};

/** The paper's settings that are the same for all models. */
const BETA = 0.01;
const PROMPTS = 'HuggingFaceH4/ultrafeedback_binarized';

/** The paper's model of a run with the paper's recipe: SELM with its alpha and beta, on UltraFeedback, labeled by PairRM. */
export function paperModelOf({ model, adapter, optimize, label, prompts }: RunConfig): PaperModel | undefined {
  const found = MODELS[parseModelId(model)?.name ?? ''];
  const { objective } = optimize;
  const isPapers =
    adapter === undefined &&
    objective.name === 'selm' &&
    objective.beta === BETA &&
    objective.alpha === found?.alpha &&
    label.by === 'pairrm' &&
    prompts.train.startsWith(PROMPTS);
  return isPapers ? found?.model : undefined;
}
