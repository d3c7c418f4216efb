/**
 * Files of pairwise comparisons: AlpacaEval's annotations.json and df_gamed.csv (alpaca_eval 0.6.6), and JSON Lines with a
 * preference and two lengths.
 */
import { charactersOf } from '../../data/characters.ts';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { collect } from '../../data/collect.ts';
import { InputError } from '../../data/errors.ts';
import { readFailure } from '../../data/file-errors.ts';
import { decodeUtf8, parseJson } from '../../data/json.ts';
import { jsonlRows } from '../../data/jsonl.ts';
import { makeRow, parseRow, type Row } from '../../data/row.ts';

/** Which of two responses is preferred, and the length of both in characters (Unicode code points). */
export interface Annotation {
  /** 1: the model's response is preferred, 0: the baseline's, 0.5: a tie. Absent if the annotator gave no preference. */
  outcome?: number;
  modelLength: number;
  baselineLength: number;
  difficulty?: number;
}

/** alpaca_eval's scale: 1 prefers output_1, the baseline's; 2 prefers output_2, the model's; 0 and 1.5 are ties. */
const preference = z
  .number()
  .refine(
    (value) => value === 0 || (value >= 1 && value <= 2),
    'expected 1 (the baseline) to 2 (the model), or 0 for a tie',
  );
const judged = { preference: preference.optional(), instruction_difficulty: z.number().optional() };
const outputsSchema = z.object({ ...judged, output_1: z.string(), output_2: z.string() });
const length = z.int().nonnegative();
const lengthsSchema = z.object({ ...judged, length_baseline: length, length_model: length });

/** Reads annotations. @throws InputError also when only some rows have a difficulty, or no row has a preference */
export async function readAnnotations(path: string): Promise<Annotation[]> {
  const rows = path.endsWith('.json') ? await readJsonArray(path) : await collect(jsonlRows(path));
  const annotations = rows.map(annotationOf);
  const difficult = annotations.filter(({ difficulty }) => difficulty !== undefined).length;
  if (difficult !== 0 && difficult !== rows.length) {
    throw new InputError(
      `${path} has an "instruction_difficulty" in ${difficult} of ${rows.length} rows; give it in all or none.`,
    );
  }
  if (annotations.every(({ outcome }) => outcome === undefined)) {
    throw new InputError(`${path} has no "preference" in any row; at least one comparison must be judged.`);
  }
  return annotations;
}

function annotationOf(row: Row): Annotation {
  const inFull = 'output_1' in row.fields || 'output_2' in row.fields;
  const record = inFull ? parseRow(row, outputsSchema) : parseRow(row, lengthsSchema);
  const lengths =
    'output_1' in record
      ? { modelLength: charactersOf(record.output_2), baselineLength: charactersOf(record.output_1) }
      : { modelLength: record.length_model, baselineLength: record.length_baseline };
  return {
    ...(record.preference !== undefined && { outcome: outcomeOf(record.preference) }),
    ...lengths,
    ...(record.instruction_difficulty !== undefined && { difficulty: record.instruction_difficulty }),
  };
}

const outcomeOf = (value: number) => (value === 0 ? 0.5 : value - 1);

async function readJsonArray(path: string): Promise<Row[]> {
  const text = await readText(path);
  const value = parseJson(text, path, 'it must be a list of annotations, or JSON Lines in a file named .jsonl.');
  if (!Array.isArray(value) || value.length === 0) {
    throw new InputError(`${path} is not a list of annotations; it needs at least one.`);
  }
  return value.map((fields: unknown, i) => {
    if (typeof fields === 'object' && fields !== null) return makeRow(`${path} annotation ${i + 1}`, fields);
    throw new InputError(`${path} annotation ${i + 1} is not an object; see alpaca_eval's annotations.json.`);
  });
}

async function readText(path: string): Promise<string> {
  try {
    return decodeUtf8(await readFile(path), path).replace(/^\ufeff/, '');
  } catch (error) {
    // Not UTF-8.
    if (error instanceof InputError) throw error;
    throw readFailure(path, error);
  }
}

const gamedSchema = z.object({
  index: z.coerce.number().int().nonnegative(),
  preference: z.coerce.number().min(0).max(1),
  std_delta_len: z.coerce.number(),
  instruction_difficulty: z.coerce.number(),
});

/** A row of df_gamed.csv: the baseline, instructed to be brief or verbose, compared with itself. */
type GamedAnnotation = z.infer<typeof gamedSchema>;

/** Reads df_gamed.csv: comparisons of gamed baselines; `index` is that of the instruction among the annotations. */
export async function readGamed(path: string): Promise<GamedAnnotation[]> {
  const [header, ...lines] = (await readText(path)).trim().split(/\r?\n/);
  if (lines.length === 0) throw new InputError(`${path} is empty; it needs a header and at least one row.`);
  const names = header.split(',');
  return lines.map((line, i) => {
    const cells = line.split(',');
    if (cells.length !== names.length) {
      throw new InputError(
        `${path} line ${i + 2} has ${cells.length} cells, not ${names.length} as the header; correct it.`,
      );
    }
    const fields = Object.fromEntries(names.map((name, column) => [name, cells[column] || null]));
    return parseRow(makeRow(`${path} line ${i + 2}`, fields), gamedSchema);
  });
}
