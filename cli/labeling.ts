/** The labeler of a command: by its name, or with its settings from a file. */
import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';
import { createLabeler, labelerNames, type LabelSettings, type RoundLabelSettings } from '../labelers/index.ts';
import { judge, type CandidateSet, type Labels } from '../labelers/labels.ts';
import { isComparative, labelerSettings } from '../labelers/needs.ts';
import { cacheFolder } from '../workers/places.ts';
import { readLabelSettings } from '../config/load.ts';
import { showProgress } from './progress.ts';

export interface LabelerFlags {
  by?: string;
  labelConfig?: string;
  server?: string;
  judgeModel?: string;
  judgeMode?: string;
  pairs?: string;
  judgeTemplate?: string;
  judgeMaxTokens?: number;
  keyVariable?: string;
  truncated?: string;
}

/** Of a labeler's settings, most stand in a file; a judge's are few enough to be given as they are. */
const JUDGE = [
  new Option('--server <url>', 'OpenAI-compatible server of --by judge: what comes before /chat/completions.'),
  new Option('--judge-model <name>', 'The judge as its server knows it; without --server a model folder or hub id.'),
  new Option('--judge-mode <mode>', 'How it judges (default: pairwise).').choices(['pairwise', 'single']),
  new Option('--pairs <which>', 'Which answers it compares (default: all).').choices(['all', 'first']),
  new Option('--judge-template <file>', "What it is shown (default: MT-Bench's)."),
  new Option('--judge-max-tokens <n>', 'Longest of its answers (default: 2048).').argParser(Number),
  new Option('--key-variable <name>', "Environment variable with the server's key (default: OPENAI_API_KEY)."),
];

/** The flags of settings, by the names that these have in a labeler's file. */
const FLAGS: Record<string, string> = {
  server: '--server',
  model: '--judge-model',
  mode: '--judge-mode',
  pairs: '--pairs',
  template: '--judge-template',
  maxTokens: '--judge-max-tokens',
  keyVariable: '--key-variable',
  truncated: '--truncated',
};

export function addLabeler(command: Command): Command {
  command
    .addOption(new Option('--by <labeler>', 'Who scores the answers.').choices(labelerNames))
    .option('--label-config <file>', "The labeler's settings: a YAML file with what stands under `label` in a run's.");
  for (const option of JUDGE) command.addOption(option);
  return command;
}

/** @throws InputError when no labeler is named, or its settings are wrong */
export const labelerOf = (flags: LabelerFlags): LabelSettings => labelerSettings(labelOf(flags));

/**
 * The same with what becomes of truncated answers, as a round labels.
 * @throws InputError when no labeler is named, or its settings are wrong
 */
export function labelOf(flags: LabelerFlags): RoundLabelSettings {
  const { by, labelConfig } = flags;
  if (by === undefined && labelConfig === undefined) {
    throw new InputError('No labeler is named: give --by, or --label-config where it needs settings.');
  }
  const given = Object.entries(FLAGS).flatMap(([key, flag]) => {
    const value = flags[attributeOf(flag)];
    return value === undefined ? [] : [[key, value] as const];
  });
  if (labelConfig !== undefined && given.length > 0) {
    const [[key, value]] = given;
    throw new InputError(
      `${FLAGS[key]} cannot be given with --label-config: write "${key}: ${value}" in ${labelConfig}.`,
    );
  }
  return readLabelSettings(labelConfig, { ...(by !== undefined && { by }), ...Object.fromEntries(given) });
}

const attributeOf = (flag: string) => new Option(flag).attributeName() as keyof LabelerFlags;

/**
 * @returns what judges answers and shows how far it is
 * @throws InputError when the labeler cannot judge answers to these prompts
 */
export async function openLabeler(
  settings: LabelSettings,
  engine: Engine,
  prompts: PromptRecord[],
): Promise<(rows: CandidateSet[], options: CallOptions) => Promise<Labels>> {
  const tools = { engine, cacheFolder: cacheFolder(), threads: availableParallelism() };
  const labeler = await createLabeler(settings, tools);
  for (const prompt of prompts) labeler.check?.(prompt);
  return async (rows, options) => {
    const bar = showProgress('label');
    try {
      return await judge(rows, labeler, isComparative(settings), { onProgress: bar.update, ...options });
    } finally {
      bar.stop();
    }
  };
}
