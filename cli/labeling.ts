/** The labeler of a command, given by name or by a file with its settings. */
import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { readLabelSettings } from '../config/load.ts';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import type { ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions, Engine } from '../engine/protocol/jobs.ts';
import { createLabeler, labelerNames, type LabelSettings, type RoundLabelSettings } from '../labelers/index.ts';
import { judge, type CandidateSet, type Labels } from '../labelers/labels.ts';
import { canUseTorch, labelerSettings } from '../labelers/needs.ts';
import { truncatedSchema } from '../labelers/truncated.ts';
import { cacheFolder } from '../workers/places.ts';
import { judgeFlags } from './judging.ts';
import { showProgress } from './progress.ts';
import { nested, SettingsFlags, type GivenFlags } from './settings.ts';

export interface LabelerFlags extends GivenFlags {
  by?: string;
  labelConfig?: string;
}

/** How `selm label` treats truncated responses. */
export const truncatedFlags = new SettingsFlags(z.strictObject({ truncated: truncatedSchema }));

/**
 * Adds the flags of a labeler. Settings come from a file; the judge's settings are also flags.
 * @param names of the labelers
 */
export function addLabeler(command: Command, names: string[] = labelerNames): Command {
  command
    .addOption(new Option('--by <labeler>', 'Labeler that scores the responses.').choices(names))
    .option('--label-config <file>', "The labeler's settings: a YAML file with the keys of a run's section `label`.");
  return judgeFlags.addTo(command);
}

/** @throws InputError when no labeler is named, or its settings are wrong */
export const labelerOf = (flags: LabelerFlags): LabelSettings => scorerOf(labelOf(flags));

/** The settings of the labeler. @throws InputError for people, whom only a run asks */
export function scorerOf(settings: RoundLabelSettings): LabelSettings {
  if (settings.by !== 'people') return labelerSettings(settings);
  throw new InputError('People (by: people) do not score responses on the command line: name another labeler.');
}

/**
 * The settings of a labeler and of truncated responses, in the form of a round's settings.
 * @throws InputError when no labeler is named, or its settings are wrong
 */
export function labelOf(flags: LabelerFlags): RoundLabelSettings {
  const { by, labelConfig } = flags;
  if (by === undefined && labelConfig === undefined) {
    throw new InputError('No labeler is named: give --by, or --label-config for a labeler that needs settings.');
  }
  const given = [...judgeFlags.given(flags), ...truncatedFlags.given(flags)];
  if (labelConfig !== undefined && given.length > 0) {
    const [{ key, flag, value }] = given;
    throw new InputError(
      `${flag} cannot be given with --label-config: write "${key}: ${String(value)}" in ${labelConfig}.`,
    );
  }
  return readLabelSettings(labelConfig, { ...(by !== undefined && { by }), ...nested(given) });
}

/**
 * Opens a labeler.
 * @param compute what computes, if the labeler is one that the torch backend can compute
 * @returns a function that labels candidates and shows its progress
 * @throws InputError when the labeler cannot label responses to these prompts
 */
export async function openLabeler(
  settings: LabelSettings,
  engine: Engine,
  prompts: PromptRecord[],
  compute: ComputeSettings,
): Promise<(rows: CandidateSet[], options: CallOptions) => Promise<Labels>> {
  const threads = availableParallelism();
  const tools = { engine, cacheFolder: cacheFolder(), compute: { threads, ...(canUseTorch(settings) && compute) } };
  const labeler = await createLabeler(settings, tools);
  for (const prompt of prompts) labeler.check?.(prompt);
  return async (rows, options) => {
    const bar = showProgress('label');
    try {
      return await judge(rows, labeler, { onProgress: bar.update, ...options });
    } finally {
      bar.stop();
    }
  };
}
