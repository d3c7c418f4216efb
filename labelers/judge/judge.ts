/** The labeler that asks a language model which answer is better, as MT-Bench does (Zheng et al. 2023, arXiv 2306.05685). */
import { join } from 'node:path';
import { z } from 'zod';
import { hashValue } from '../../artifacts/hash.ts';
import { messageText } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import type { PromptRecord } from '../../data/records.ts';
import { AnswerCache } from '../../openai/client/response-cache.ts';
import { extraBodySetting, requestSettings, serverAddress } from '../../openai/client/settings.ts';
import { labelerKind, type Candidates, type Judgement, type Labeler } from '../labeler.ts';
import { openLabelerModel } from '../model.ts';
import { askEngine, askServer, isAnswer, type Ask } from './ask.ts';
import { isContradiction, outcomeOf, pairsOf, sharesOf } from './comparisons.ts';
import { countsOf } from './counts.ts';
import { fillTemplate, publishedTemplate, readTemplate, type Template } from './templates.ts';
import { conclusionOf, preferredIn, ratingIn } from './verdicts.ts';

const FIELDS = { pairwise: ['question', 'answer_a', 'answer_b'], single: ['question', 'answer'] } as const;
const PUBLISHED = { pairwise: 'pair-v2', single: 'single-v1' } as const;

const price = z.number().min(0);

const schema = z
  .strictObject({
    by: z.literal('judge'),
    server: serverAddress
      .optional()
      .describe(
        'Base URL of an OpenAI-compatible server, such as `https://api.openai.com/v1`. Without it, workers run `model` with ' +
          'ONNX Runtime (Llama family) and greedy decoding.',
      ),
    model: z
      .string()
      .min(1)
      .describe(
        "The judge: the model's name on `server`; without `server`, a model folder or a hub id `org/name[@revision]`.",
      ),
    mode: z
      .enum(['pairwise', 'single'])
      .default('pairwise')
      .describe(
        '`pairwise` compares pairs of answers, each pair in both orders; if the two verdicts disagree, it is a tie. The score of ' +
          'an answer is the share of its comparisons that it wins. `single` rates each answer separately, from 1 to 10.',
      ),
    pairs: z
      .enum(['all', 'first'])
      .default('all')
      .describe(
        'For `pairwise`: compare all pairs of answers to a prompt, or the first answer with each of the others.',
      ),
    template: z
      .string()
      .optional()
      .describe(
        "The judge's prompt: a YAML or JSON file with `prompt_template` and optionally `system_prompt`. The placeholders " +
          '`{question}`, `{answer_a}` and `{answer_b}` (for `single`: `{question}` and `{answer}`) are filled in. The prompt must ' +
          'instruct the judge to end with `[[A]]`, `[[B]]` or `[[C]]` (a tie), or for `single` with a rating such as `[[7]]` or ' +
          '`[[7/10]]`. ' +
          "Default: MT-Bench's `pair-v2` or `single-v1`.",
      ),
    temperature: z
      .number()
      .min(0)
      .default(0)
      .describe(
        'Sampling temperature of the judge on `server`; 0 is greedy decoding. If the server rejects this parameter, it is left ' +
          'out; replies sampled at the default temperature of the server are counted (`withoutTemperature`).',
      ),
    maxTokens: z
      .int()
      .positive()
      .default(2048)
      .describe(
        "Maximum tokens of a judge's reply; reasoning models need more. Replies that are cut before their verdict are counted " +
          '(`truncatedJudgements`, a part of `unparsed`).',
      ),
    extraBody: extraBodySetting
      .optional()
      .describe(
        'Additional fields of each request to `server`, such as `{ reasoning_effort: low }` or ' +
          '`{ chat_template_kwargs: { enable_thinking: false } }`.',
      ),
    usdPerMillionTokens: z
      .strictObject({
        prompt: price.describe('Price of a million prompt tokens, in US dollars.'),
        completion: price.describe('Price of a million completion tokens, in US dollars.'),
      })
      .optional()
      .describe('Price of a million tokens, in US dollars. If set, the cost of the judge is reported.'),
    ...requestSettings,
  })
  .describe(
    'Asks a language model which answers are better. A reply without a verdict in double brackets, or with contradictory ' +
      'verdicts, gives no score. Thoughts (`<think>…</think>`, `reasoning_content`) are ignored.',
  );

type Settings = z.output<typeof schema>;

/** Compares pairs of answers, or rates each answer, with a language model. */
export const judge = labelerKind({
  schema,
  locate: (settings, at) => ({
    ...settings,
    ...(settings.server === undefined && { model: at.model(settings.model) }),
    ...(settings.template !== undefined && { template: at.path(settings.template) }),
  }),
  async create(settings, { engine, cacheFolder, models, compute: { threads } }) {
    const { server, model, mode, template: file, extraBody } = settings;
    if (server === undefined && extraBody !== undefined) {
      throw new InputError('"extraBody" of the labeler judge is sent to a server; give its "server", or leave it out.');
    }
    const template = file === undefined ? publishedTemplate(PUBLISHED[mode]) : readTemplate(file, FIELDS[mode]);
    const judges = mode === 'pairwise' ? comparing : rating;
    const make = (ask: Ask, identity: object): Labeler => ({
      name: 'judge',
      identity: { ...identity, template: hashValue([template.system_prompt, template.prompt_template]) },
      judge: (prompts, options) => judges(settings, template, prompts, (requests) => ask(requests, options)),
    });
    if (server !== undefined) {
      return make(askServer({ ...settings, url: server }, settings, new AnswerCache(join(cacheFolder, 'judge'))), {});
    }
    const { identity, folder } = await openLabelerModel(model, { models });
    return make(askEngine(engine, folder, settings.maxTokens, threads), identity);
  },
});

type AskAll = (requests: ReturnType<typeof fillTemplate>[]) => ReturnType<Ask>;

async function comparing(
  settings: Settings,
  template: Template,
  prompts: Candidates[],
  ask: AskAll,
): Promise<Judgement> {
  const paired = prompts.map(({ answers }) => pairsOf(answers.length, settings.pairs));
  const show = ({ prompt, answers }: Candidates, first: number, second: number) =>
    fillTemplate(template, { question: questionOf(prompt), answer_a: answers[first], answer_b: answers[second] });
  const given = await ask(
    prompts.flatMap((row, i) => paired[i].flatMap(([a, b]) => [show(row, a, b), show(row, b, a)])),
  );
  const verdicts = given.map((reply) => (isAnswer(reply) ? preferredIn(conclusionOf(reply)) : undefined));
  let next = 0;
  let inconsistent = 0;
  const scores = prompts.map(({ answers }, i) => {
    const outcomes = paired[i].map(() => {
      const [forth, back] = [verdicts[next++], verdicts[next++]];
      inconsistent += Number(isContradiction(forth, back));
      return outcomeOf(forth, back);
    });
    return sharesOf(answers.length, paired[i], outcomes);
  });
  return { verdicts: scores, counts: { ...countsOf(given, verdicts, settings.usdPerMillionTokens), inconsistent } };
}

async function rating(settings: Settings, template: Template, prompts: Candidates[], ask: AskAll): Promise<Judgement> {
  const given = await ask(
    prompts.flatMap(({ prompt, answers }) =>
      answers.map((answer) => fillTemplate(template, { question: questionOf(prompt), answer })),
    ),
  );
  const ratings = given.map((reply) => (isAnswer(reply) ? ratingIn(conclusionOf(reply)) : undefined));
  let next = 0;
  const scores = prompts.map(({ answers }) =>
    answers.map(() => {
      const score = ratings[next++];
      return score === undefined ? {} : { score };
    }),
  );
  return { verdicts: scores, counts: countsOf(given, ratings, settings.usdPerMillionTokens) };
}

/** A prompt as a question for the judge: the user's message, or the messages of a conversation with their roles. */
function questionOf({ prompt }: PromptRecord): string {
  if (typeof prompt === 'string') return prompt;
  if (prompt.length === 1) return messageText(prompt[0]);
  return prompt
    .map((message) => `${message.role[0].toUpperCase()}${message.role.slice(1)}: ${messageText(message)}`)
    .join('\n\n');
}
