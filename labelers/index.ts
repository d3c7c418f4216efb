/** The labelers as a run names them: their settings, and how one is made of them. */
import { z } from 'zod';
import { combine } from './combine.ts';
import { kinds } from './kinds.ts';
import type { Labeler, LabelerKind, LabelTools, Locate } from './labeler.ts';

const all = { ...kinds, combine };

export const labelerNames = Object.keys(all) as (keyof typeof all)[];

/** The settings of every labeler, told apart by its name. */
export const labelSchema = z.discriminatedUnion(
  'by',
  [
    all.verifier.schema,
    all['final-answer'].schema,
    all.regex.schema,
    all['json-schema'].schema,
    all.module.schema,
    all['reward-model'].schema,
    all.pairrm.schema,
    all.judge.schema,
    all.combine.schema,
  ],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? `expected one of ${labelerNames.map((name) => `"${name}"`).join('|')}` : undefined,
  },
);
export type LabelSettings = z.output<typeof labelSchema>;

const kindOf = ({ by }: LabelSettings) => all[by] as unknown as LabelerKind;

/** @throws InputError when the settings name something that is missing or wrong */
export async function createLabeler(settings: LabelSettings, tools: LabelTools): Promise<Labeler> {
  return kindOf(settings).create(settings, tools);
}

/** The settings with their paths made absolute. */
export function locateLabeler(settings: LabelSettings, locate: Locate): LabelSettings {
  return (kindOf(settings).locate?.(settings, locate) as LabelSettings | undefined) ?? settings;
}
