/** The labeler that combines other labelers: the weighted sum of their scores, minus a penalty for length. */
import { z } from 'zod';
import { charactersOf } from '../data/characters.ts';
import { sum } from '../data/numbers.ts';
import { compares, comparing } from './comparing.ts';
import { kinds, settingsUnion } from './kinds.ts';
import { labelerKind, type Judgement, type Labeler, type LabelerKind, type Verdict } from './labeler.ts';
import { sumCounts } from './labels.ts';

const weight = z.number().default(1).describe("Factor of this labeler's score in the sum.");

const partSchema = settingsUnion(
  Object.keys(kinds),
  Object.values(kinds).map(({ schema }) => schema.extend({ weight })),
);
type Part = z.output<typeof partSchema>;

/** A part without its weight, and its labeler kind. */
function kindOf({ weight: factor, ...settings }: Part) {
  return { factor, settings, kind: kinds[settings.by] as unknown as LabelerKind };
}

/** The score is the weighted sum of the scores, minus the length penalty. A response without one of the scores has none. */
export const combine = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('combine'),
      of: z
        .array(partSchema)
        .min(1)
        .describe(
          'The labelers to combine, each with its settings and a `weight`: the factor of its score in the sum (default: 1).',
        ),
      lengthPenalty: z
        .number()
        .min(0)
        .default(0)
        .describe(
          'Penalty that is subtracted from the score for each character of a response. The unit is characters because tokenizers ' +
            'differ and some candidates have no tokens.',
        ),
    })
    .describe(
      'Weighted sum of the scores of other labelers. If one of them gives a response no score, the response has no score.',
    ),
  locate: (settings, at) => ({
    ...settings,
    of: settings.of.map((part) => {
      const { factor, settings: own, kind } = kindOf(part);
      return { ...(kind.locate?.(own, at) ?? own), weight: factor } as Part;
    }),
  }),
  async create({ of, lengthPenalty }, tools) {
    const parts = await Promise.all(
      of.map(async (part) => {
        const { factor, settings, kind } = kindOf(part);
        const labeler = await kind.create(settings, tools);
        return { factor, labeler: compares(settings) ? comparing(labeler) : labeler };
      }),
    );
    const identities = parts.map(({ labeler }) => labeler.identity ?? {});
    return {
      name: 'combine',
      ...(identities.some((identity) => Object.keys(identity).length > 0) && { identity: { of: identities } }),
      check: (prompt) => parts.forEach(({ labeler }) => labeler.check?.(prompt)),
      async judge(prompts, options) {
        const judgements: { factor: number; judgement: Judgement }[] = [];
        for (const { factor, labeler } of parts)
          judgements.push({ factor, judgement: await labeler.judge(prompts, options) });
        const verdicts = prompts.map(({ answers }, i) =>
          answers.map((answer, j) => {
            const given = judgements.map(({ factor, judgement }) => ({ factor, verdict: judgement.verdicts[i][j] }));
            return sumOf(given, lengthPenalty * charactersOf(answer));
          }),
        );
        return { verdicts, counts: sumCounts(judgements.map(({ judgement }) => judgement.counts ?? {})) };
      },
    } satisfies Labeler;
  },
});

/** The weighted sum of the scores. A response passes if all labelers that set `pass` pass it. */
function sumOf(given: { factor: number; verdict: Verdict }[], penalty: number): Verdict {
  const terms = [-penalty];
  for (const { factor, verdict } of given) {
    if (verdict.score === undefined) return {};
    terms.push(factor * verdict.score);
  }
  const passes = given.map(({ verdict }) => verdict.pass).filter((pass) => pass !== undefined);
  return { score: withoutRounding(terms), ...(passes.length > 0 && { pass: passes.every(Boolean) }) };
}

/** The significant digits of a sum. */
const DIGITS = 12;

/** The sum without its rounding error, which would make a preference of a tie: in binary, 0.1 + 0.2 is greater than 0.3. */
function withoutRounding(terms: number[]): number {
  const total = sum(terms);
  const largest = Math.max(...terms.map(Math.abs));
  return Math.abs(total) < largest / 10 ** DIGITS ? 0 : Number(total.toPrecision(DIGITS));
}
