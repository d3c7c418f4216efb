/** All labelers: their settings (`label` in a run's configuration) and their creation. */
import { z } from 'zod';
import { combine } from './combine.ts';
import { kinds } from './kinds.ts';
import type { Labeler, LabelerKind, LabelTools, Locate } from './labeler.ts';
import { truncatedSchema, type Truncated } from './truncated.ts';

const all = { ...kinds, combine };

/** The names of all labelers. */
export const labelerNames = Object.keys(all) as (keyof typeof all)[];

const kindSchemas = [
  all.verifier.schema,
  all['final-answer'].schema,
  all.regex.schema,
  all['json-schema'].schema,
  all.module.schema,
  all['reward-model'].schema,
  all.pairrm.schema,
  all.judge.schema,
  all.combine.schema,
] as const;

const error = ({ code }: z.core.$ZodRawIssue) =>
  code === 'invalid_union' ? `expected one of ${labelerNames.map((name) => `"${name}"`).join('|')}` : undefined;

/** The settings of all labelers, discriminated by name. */
export const labelSchema = z.discriminatedUnion('by', kindSchemas, { error });
export type LabelSettings = z.output<typeof labelSchema>;

const [first, ...others] = kindSchemas.map((schema) =>
  schema.extend({ truncated: truncatedSchema }).describe(schema.description!),
);

/** The label settings of a run: a labeler's settings, and the treatment of truncated responses. */
export const roundLabelSchema = z.discriminatedUnion('by', [first, ...others], { error });
export type RoundLabelSettings = LabelSettings & { truncated: Truncated };

const kindOf = ({ by }: LabelSettings) => all[by] as unknown as LabelerKind;

/** Creates the labeler of these settings. @throws InputError when a file, model or server in the settings is missing or wrong */
export async function createLabeler(settings: LabelSettings, tools: LabelTools): Promise<Labeler> {
  return kindOf(settings).create(settings, tools);
}

/** The settings with their paths made absolute. */
export function locateLabeler<Settings extends LabelSettings>(settings: Settings, locate: Locate): Settings {
  return (kindOf(settings).locate?.(settings, locate) as Settings | undefined) ?? settings;
}
