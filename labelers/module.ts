/** The labeler for the user's own TypeScript or JavaScript module. */
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { counted } from '../data/counted.ts';
import { hashFile } from '../artifacts/hash.ts';
import { InputError } from '../data/errors.ts';
import { plainOf } from '../data/exact-json.ts';
import { readFailure } from '../data/file-errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { labelerKind, type Verdict } from './labeler.ts';

/**
 * The default export of the module.
 * @param prompt the row of the prompt, with all its fields
 * @returns a number per response, higher is better; null for no score
 */
type ScoreAnswers = (prompt: PromptRecord, answers: string[]) => Scores | Promise<Scores>;
type Scores = (number | null | undefined)[];

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0];

async function load(path: string, sha256: string): Promise<ScoreAnswers> {
  let loaded: { default?: unknown };
  try {
    // Node.js caches modules by URL, so the URL must change with the content.
    loaded = (await import(`${pathToFileURL(path).href}?sha256=${sha256}`)) as typeof loaded;
  } catch (error) {
    // Catches every error, because the user's module may throw anything.
    throw new InputError(`${path} cannot be loaded as a labeler: ${reasonOf(error)}`);
  }
  if (typeof loaded.default === 'function') return loaded.default as ScoreAnswers;
  throw new InputError(
    `${path} has no function as its default export; label.path needs one: (prompt, responses) => scores.`,
  );
}

function verdictsOf(scores: unknown, count: number, where: string): Verdict[] {
  if (!Array.isArray(scores) || scores.length !== count) {
    const what = Array.isArray(scores) ? `${scores.length} scores` : typeof scores;
    throw new InputError(
      `${where} returned ${what} for ${counted(count, 'response')}; it must return a list with a number for each.`,
    );
  }
  return scores.map((score: unknown) => {
    if (score === null || score === undefined) return {};
    if (typeof score === 'number' && Number.isFinite(score)) return { score };
    throw new InputError(`${where} returned the score ${String(score)}; a score is a finite number, or null for none.`);
  });
}

/** The scores are those that the user's function returns. */
export const module = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('module'),
      path: z
        .string()
        .min(1)
        .describe('File whose default export is a function `(prompt, responses) => scores`, which may be async.'),
    })
    .describe(
      'Scores responses with your own TypeScript or JavaScript module. Its function gets `prompt`, the row of the prompt file as an ' +
        'object (`id`, `prompt`: a string or a list of `{ role, content }` messages, and all further columns), and `responses`, a ' +
        'list of strings. It returns a list with one score per response: a number (higher is better), or `null` for no score. ' +
        'Responses are labeled again when the file changes, but not when a module that it imports changes.',
    ),
  locate: (settings, { path }) => ({ ...settings, path: path(settings.path) }),
  async create({ path }) {
    const sha256 = await hashFile(path).catch((error: unknown) => {
      throw readFailure(path, error, 'label.path needs a module');
    });
    const scoreAnswers = await load(path, sha256);
    return {
      name: 'module',
      identity: { sha256 },
      async judge(prompts, { signal }) {
        const verdicts: Verdict[][] = [];
        for (const { prompt, answers } of prompts) {
          signal?.throwIfAborted();
          const where = `${path}, called for prompt "${prompt.id}",`;
          let scores: unknown;
          try {
            scores = await scoreAnswers(plainOf(prompt), answers);
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
