/** All labelers: their settings (`label` in a run's configuration) and their creation. */
import type { z } from 'zod';
import { combine } from './combine.ts';
import { compares, comparing } from './comparing.ts';
import { kinds, programs, settingsUnion } from './kinds.ts';
import type { Labeler, LabelerKind, LabelTools, Locate } from './labeler.ts';
import { locatePeople, peopleSchema } from './people/settings.ts';
import { truncatedSchema, type Truncated } from './truncated.ts';

const all = { ...kinds, combine };

/** The names of all labelers. */
export const labelerNames = Object.keys(all) as (keyof typeof all)[];

const schemas = Object.values(all).map(({ schema }) => schema);

/** The settings of all labelers, discriminated by name. */
export const labelSchema = settingsUnion(labelerNames, schemas);
export type LabelSettings = z.output<typeof labelSchema>;

const people = peopleSchema
  .extend({
    otherwise: labelSchema
      .optional()
      .describe(
        'A labeler of the prompts that nobody is asked about, with its settings. Default: these prompts give no preference.',
      ),
  })
  .describe(peopleSchema.description!);

/** The label settings of a run: a labeler's settings or those of people, and the treatment of truncated responses. */
export const roundLabelSchema = settingsUnion(
  [...labelerNames, 'people'],
  [...schemas, people].map((schema) => schema.extend({ truncated: truncatedSchema }).describe(schema.description!)),
);
export type PeopleSettings = z.output<typeof peopleSchema> & { otherwise?: LabelSettings };
export type RoundLabelSettings = (LabelSettings | PeopleSettings) & { truncated: Truncated };

const kindOf = ({ by }: LabelSettings) => all[by] as unknown as LabelerKind;

/** Creates the labeler of these settings. @throws InputError when a file, model or server in the settings is missing or wrong */
export async function createLabeler(settings: LabelSettings, tools: LabelTools): Promise<Labeler> {
  const labeler = await kindOf(settings).create(settings, tools);
  return settings.by !== 'combine' && compares(settings) ? comparing(labeler) : labeler;
}

/** Creates the labelers of these settings, or of the parts of `combine`, that are programs: those that can refuse a prompt. */
export function createPrograms(settings: LabelSettings): Promise<Labeler[]> {
  const parts = (settings.by === 'combine' ? settings.of : [settings]).filter(({ by }) => Object.hasOwn(programs, by));
  // Programs use no tools.
  return Promise.all(parts.map((part) => kindOf(part).create(part, {} as LabelTools)));
}

/** The settings with their paths made absolute, and with the texts of files that only this machine has. */
export function locateLabeler<Settings extends LabelSettings | PeopleSettings>(
  settings: Settings,
  locate: Locate,
): Settings {
  if (settings.by === 'people') {
    const { otherwise } = settings;
    const located = {
      ...locatePeople(settings, locate),
      ...(otherwise && { otherwise: locateLabeler(otherwise, locate) }),
    };
    return located as Settings;
  }
  return (kindOf(settings).locate?.(settings, locate) as Settings | undefined) ?? settings;
}
