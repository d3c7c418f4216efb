/** The labelers by the name a user gives them. */
import { z } from 'zod';
import type { Labeler, LabelerKind, LabelTools, Locate } from './labeler.ts';
import { pairrm } from './pairrm.ts';
import { rewardModel } from './reward-model.ts';
import { verifier } from './verifier/verifier.ts';

const kinds = { verifier, 'reward-model': rewardModel, pairrm };

export const labelerNames = Object.keys(kinds) as (keyof typeof kinds)[];

/** The settings of every labeler, told apart by its name. */
export const labelSchema = z.discriminatedUnion('by', [verifier.schema, rewardModel.schema, pairrm.schema], {
  error: ({ code }) =>
    code === 'invalid_union' ? `expected one of ${labelerNames.map((name) => `"${name}"`).join('|')}` : undefined,
});
export type LabelSettings = z.output<typeof labelSchema>;

const kindOf = ({ by }: LabelSettings) => kinds[by] as unknown as LabelerKind;

/** @throws InputError when the settings name something that is missing or wrong */
export async function createLabeler(settings: LabelSettings, tools: LabelTools): Promise<Labeler> {
  return kindOf(settings).create(settings, tools);
}

/** The settings with their paths made absolute. */
export function locateLabeler(settings: LabelSettings, locate: Locate): LabelSettings {
  return (kindOf(settings).locate?.(settings, locate) as LabelSettings | undefined) ?? settings;
}
