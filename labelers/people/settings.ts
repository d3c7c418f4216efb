/** The settings of people as labelers: `label` with `by: people` in a run's configuration, without the labeler of unasked prompts. */
import { z } from 'zod';
import type { Locate } from '../labeler.ts';
import { OVERLAPPING_VOTES } from './protocol.ts';

/** The most votes of a round: its questions and their votes stay far below Temporal's limit on a message. */
export const MAX_VOTES = 20_000;

export const STRATEGIES = ['random', 'margin', 'gap', 'd-optimal'] as const;

/** Longer waits are mistakes, and a date that far away does not exist. */
const YEAR_HOURS = 365 * 24;
const share = z.number().min(0).max(1);

export const peopleSchema = z
  .strictObject({
    by: z.literal('people'),
    votes: z
      .int()
      .positive()
      .max(MAX_VOTES)
      .describe(
        "Votes that a round asks for at most. A vote is a person's answer to a question, which is a pair of responses.",
      ),
    overlap: share
      .default(0.1)
      .describe(
        `Share of the questions that ${OVERLAPPING_VOTES} people are asked, which shows how far people agree. The others are asked of one ` +
          'person each.',
      ),
    strategy: z
      .enum(STRATEGIES)
      .default('random')
      .describe(
        'How the questions of a round are selected: `random`; `margin` prefers pairs about which the policy is least certain; `gap` ' +
          'pairs with the largest predicted difference; `d-optimal` pairs whose features are most informative together (D-optimal design).',
      ),
    randomShare: share
      .default(0.2)
      .describe(
        'Share of the questions that is selected at random, whatever the strategy, so that estimates stay unbiased.',
      ),
    guidelines: z
      .union([z.string().min(1), z.strictObject({ text: z.string().min(1) })], {
        error: 'expected a Markdown file, or { text }',
      })
      .optional()
      .describe('What people should look for: a Markdown file, which is read when the run starts, or `{ text }`.'),
    gold: z
      .string()
      .optional()
      .describe(
        "Questions with known answers: a JSON Lines or Parquet file in TRL's preference format (`prompt`, `chosen`, `rejected`), or a " +
          'hub data set. Each person may be asked all of them. They are never trained on.',
      ),
    goldShare: share.default(0.05).describe('Share of the questions shown to a person that are from `gold`.'),
    repeatShare: share
      .default(0.05)
      .describe(
        'Share of the questions shown to a person that repeat an earlier one in mirrored order. A repeated answer is no vote.',
      ),
    deadline: z
      .number()
      .positive()
      .max(YEAR_HOURS)
      .optional()
      .describe('Hours that a round waits for votes. Default: until all votes are in, or `selm label close`.'),
    atDeadline: z
      .enum(['continue', 'park'])
      .default('continue')
      .describe(
        'What happens at the deadline: `continue` goes on with the votes that are in, `park` waits for your decision (retry, skip, stop) ' +
          'and keeps these votes.',
      ),
    leaseMinutes: z
      .number()
      .positive()
      .max(60 * YEAR_HOURS)
      .default(15)
      .describe('Minutes for which a question is held for the person to whom it is shown.'),
    aggregation: z
      .enum(['majority', 'dawid-skene'])
      .default('majority')
      .describe(
        'How the votes on a question become one answer: `majority`, or `dawid-skene`, which weights people by their estimated error rates.',
      ),
    leaveOut: z
      .array(z.string().min(1))
      .default([])
      .describe('People whose votes do not count. Their votes stay in the artifact.'),
  })
  .describe(
    'Asks people on a web page (`selm ui --label`), and waits for their votes. Held-out responses are scored by `evaluate.labeler`, or ' +
      'by `otherwise`.',
  );

/** What selects the questions of a round. */
export type AskSettings = Pick<z.output<typeof peopleSchema>, 'votes' | 'overlap' | 'strategy' | 'randomShare'> &
  Partial<Pick<z.output<typeof peopleSchema>, 'goldShare'>>;

/** The settings with absolute paths, and with the text of the guidelines in place of their file. */
export function locatePeople<Settings extends z.output<typeof peopleSchema>>(
  settings: Settings,
  locate: Locate,
): Settings {
  const { guidelines, gold } = settings;
  return {
    ...settings,
    ...(typeof guidelines === 'string' && {
      guidelines: { text: locate.text(guidelines, 'label.guidelines needs a Markdown file') },
    }),
    ...(gold !== undefined && { gold: locate.dataset(gold) }),
  };
}
