/** The labeler that users write themselves: a TypeScript or JavaScript module. */
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { hashFile } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { labelerKind, type Verdict } from './labeler.ts';

/**
 * The default export of the module.
 * @param prompt the row of the prompt, with all its fields
 * @returns a number an answer, higher is better; null where there is no judgement
 */
export type ScoreAnswers = (prompt: PromptRecord, answers: string[]) => Scores | Promise<Scores>;
type Scores = (number | null | undefined)[];

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0];

async function load(path: string, sha256: string): Promise<ScoreAnswers> {
  let loaded: { default?: unknown };
  try {
    // Node keeps what it has loaded: changed content needs another address.
    loaded = (await import(`${pathToFileURL(path).href}?sha256=${sha256}`)) as typeof loaded;
  } catch (error) {
    throw new InputError(`${path} cannot be loaded as a labeler: ${reasonOf(error)}`);
  }
  if (typeof loaded.default === 'function') return loaded.default as ScoreAnswers;
  throw new InputError(
    `${path} has no function as its default export; label.path needs one: (prompt, answers) => scores.`,
  );
}

function verdictsOf(scores: unknown, count: number, where: string): Verdict[] {
  if (!Array.isArray(scores) || scores.length !== count) {
    const what = Array.isArray(scores) ? `${scores.length} scores` : typeof scores;
    throw new InputError(
      `${where} returned ${what} for ${count} answers; it must return a list with a number for each.`,
    );
  }
  return scores.map((score: unknown) => {
    if (score === null || score === undefined) return {};
    if (typeof score === 'number' && Number.isFinite(score)) return { score };
    throw new InputError(
      `${where} returned the score ${String(score)}; a score is a finite number, or null for no judgement.`,
    );
  });
}

export const module = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('module'),
      path: z
        .string()
        .min(1)
        .describe('File whose default export is a function `(prompt, answers) => scores`, or a promise of them.'),
    })
    .describe(
      'Scores answers with a TypeScript or JavaScript module of your own. Its function gets `prompt`, the row of the prompt file as an object ' +
        '(`id`, `prompt`: a string or a list of `{ role, content }` messages, and all further columns), and `answers`, a list of strings. ' +
        'It returns a list with one number per answer, higher is better, or `null` for no score. ' +
        'Answers are labeled anew when its file changes; changes of what it imports are not seen.',
    ),
  locate: (settings, { path }) => ({ ...settings, path: path(settings.path) }),
  async create({ path }) {
    const sha256 = await hashFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new InputError(`${path} cannot be read (${error.code}); label.path needs a module.`);
    });
    const scoreAnswers = await load(path, sha256);
    return {
      name: 'module',
      identity: { sha256 },
      async judge(prompts, { signal }) {
        const verdicts: Verdict[][] = [];
        for (const { prompt, answers } of prompts) {
          signal?.throwIfAborted();
          const where = `${path}, asked about prompt "${prompt.id}",`;
          let scores: unknown;
          try {
            scores = await scoreAnswers(prompt, answers);
          } catch (error) {
            throw new InputError(`${where} threw: ${reasonOf(error)}`);
          }
          verdicts.push(verdictsOf(scores, answers.length, where));
        }
        return { verdicts };
      },
    };
  },
});
