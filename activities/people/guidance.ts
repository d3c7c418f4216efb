/** import-guidance: stores what a run's people are given, the guidelines and the gold questions. */
import { counted } from '../../data/counted.ts';
import { hashValue } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { readPreferences } from '../../data/readers.ts';
import type { PreferenceRecord } from '../../data/records.ts';
import { findRepeated } from '../../data/repeated.ts';
import { defineStep, type Activity, type StepResult } from '../step.ts';
import { GOLD, GUIDELINES } from './questions.ts';

export interface GuidanceInput {
  /** Markdown. */
  guidelines?: string;
  /** Questions with known answers: a file or a hub data set of preferences. */
  gold?: string;
}

interface GuidanceSummary {
  /** The number of gold questions. */
  gold: number;
}

/** Reads the gold questions, checks them, and stores them with the guidelines. @throws InputError when they cannot be used */
export const importGuidance: Activity<GuidanceInput, StepResult<GuidanceSummary>> = async (
  context,
  { guidelines, gold },
  options,
) => storeGuidance(context, { guidelines, gold: gold === undefined ? [] : await readGoldRows(gold) }, options);

/** Stores guidelines and gold questions. The step key depends on their content. */
export const storeGuidance = defineStep({
  name: 'import-guidance',
  kind: 'guidance',
  reproducible: false,
  recipe: ({ guidelines, gold }: { guidelines?: string; gold: PreferenceRecord[] }) => ({
    parameters: {
      sha256: { ...(guidelines !== undefined && { guidelines: hashValue(guidelines) }), gold: hashValue(gold) },
    },
    inputs: {},
    seed: 0,
  }),
  run: async (_recipe, { input: { guidelines, gold }, folder }): Promise<GuidanceSummary> => {
    if (guidelines !== undefined) await folder.writeText(GUIDELINES, guidelines);
    if (gold.length > 0) await folder.writeRows(GOLD, gold);
    return { gold: gold.length };
  },
});

/** @throws InputError when a row is no question with a known answer */
export async function readGoldRows(source: string): Promise<PreferenceRecord[]> {
  const { rows, numbers, counts } = await readPreferences(source);
  if (counts.equal > 0) {
    throw new InputError(
      `${source} has ${counted(counts.equal, 'row')} with the same chosen and rejected response, and so without a known answer: remove ${counts.equal === 1 ? 'it' : 'them'}.`,
    );
  }
  const repeated = findRepeated(rows.map(({ id }) => id));
  return rows.map((row, i) => {
    const where = `${source}, row ${numbers[i]},`;
    if (!('prompt' in row))
      throw new InputError(`${where} has token ids only; label.gold needs texts that people can read.`);
    const { id, prompt, chosen, rejected, tools } = row as PreferenceRecord;
    if (i === repeated?.again)
      throw new InputError(`${where} has the id "${id}" of an earlier row; give each gold question its own.`);
    return { id, prompt, ...(tools && { tools }), chosen, rejected };
  });
}
