/** The artifact `questions`: what people are asked in a round, and the texts that the pages show. */
import { z } from 'zod';
import type { Address } from '../../artifacts/manifest.ts';
import type { ReadableStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { parseJsonl } from '../../data/jsonl.ts';
import { answeredSchema, preferenceSchema, type AnsweredRecord, type Text, type Tool } from '../../data/records.ts';
import { toolsOf } from '../../data/tools.ts';
import { allCandidates } from '../../labelers/labels.ts';
import type { QuestionRecord } from '../../labelers/people/protocol.ts';
import { RESPONSES } from '../sample.ts';

export const QUESTIONS = 'questions.jsonl';
export const GUIDELINES = 'guidelines.md';
/** The gold questions' prompts and responses, as preferences. */
export const GOLD = 'gold.jsonl';

const index = z.int().nonnegative();
const questionSchema: z.ZodType<QuestionRecord> = z.object({
  id: z.string(),
  votes: z.int().positive().optional(),
  prompt_id: z.string(),
  shard: index.optional(),
  candidates: z.tuple([index, index]),
  value: z.number().optional(),
  random: z.boolean(),
  gold: z.union([z.literal(0), z.literal(1)]).optional(),
});

/** The questions of a round, in the order of the blocks. */
export const readQuestions = async (store: ReadableStore, questions: Address): Promise<QuestionRecord[]> =>
  parseJsonl(`${QUESTIONS} of ${questions}`, await store.readText(questions, QUESTIONS), questionSchema);

/** The guidelines for the questions of a round, in Markdown. Undefined if there are none. */
export async function readGuidelines(store: ReadableStore, questions: Address): Promise<string | undefined> {
  const { files } = await store.manifest(questions);
  return files.some(({ path }) => path === GUIDELINES) ? store.readText(questions, GUIDELINES) : undefined;
}

/** What a person sees of a question. */
export interface QuestionTexts {
  prompt: Text;
  tools?: Tool[];
  /** In the order of the question's candidates. */
  responses: [Text, Text];
}

/**
 * The texts of a question. A shard of responses is read once for all of its questions, whoever asks.
 * @param questions the address of the round's artifact `questions`
 * @param id of the question
 * @throws InputError when there is no such question
 */
export async function readQuestion(store: ReadableStore, questions: Address, id: string): Promise<QuestionTexts> {
  const opened = await openQuestions(store, questions);
  const question = opened.questions.get(id);
  if (!question) throw new InputError(`There is no question ${id} among the questions ${questions.slice(0, 12)}.`);
  const texts = await once(opened.shards, question.shard, () => readTexts(store, questions, opened, question.shard));
  return texts.get(id)!;
}

interface OpenedQuestions {
  questions: Map<string, QuestionRecord>;
  /** The round's responses, by shard. */
  responses: Address[];
  /** The texts by question; undefined is the shard of the gold questions. */
  shards: Map<number | undefined, Promise<Map<string, QuestionTexts>>>;
}

/** Rounds whose texts are kept: those that people vote on at the same time. */
const KEPT = 8;
const kept = new WeakMap<ReadableStore, Map<Address, Promise<OpenedQuestions>>>();

function openQuestions(store: ReadableStore, questions: Address): Promise<OpenedQuestions> {
  const rounds = kept.get(store) ?? new Map<Address, Promise<OpenedQuestions>>();
  kept.set(store, rounds);
  const opened = once(rounds, questions, async () => {
    const records = await readQuestions(store, questions);
    const { recipe } = await store.manifest(questions);
    return {
      questions: new Map(records.map((record) => [record.id, record])),
      responses: [recipe.inputs['responses']].flat(),
      shards: new Map(),
    };
  });
  // The round that was read last is the last one to be removed.
  rounds.delete(questions);
  rounds.set(questions, opened);
  for (const oldest of [...rounds.keys()].slice(0, -KEPT)) rounds.delete(oldest);
  return opened;
}

/** The value of a key, computed by the first call; by the next one if it failed. */
function once<K, V>(known: Map<K, Promise<V>>, key: K, compute: () => Promise<V>): Promise<V> {
  const value = known.get(key) ?? compute();
  known.set(key, value);
  value.catch(() => known.delete(key));
  return value;
}

/** The texts of a shard's questions. */
async function readTexts(
  store: ReadableStore,
  questions: Address,
  opened: OpenedQuestions,
  shard: number | undefined,
): Promise<Map<string, QuestionTexts>> {
  const asked = [...opened.questions.values()].filter((question) => question.shard === shard);
  const rows =
    shard === undefined
      ? await readGold(store, questions)
      : (await readResponses(store, opened.responses[shard])).map(asRow);
  const byPrompt = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    asked.map(({ id, prompt_id: prompt, candidates: [first, second] }) => {
      const { texts, id: _, ...row } = byPrompt.get(prompt)!;
      return [id, { ...row, responses: [texts[first], texts[second]] }];
    }),
  );
}

interface TextRow {
  id: string;
  prompt: Text;
  tools?: Tool[];
  texts: Text[];
}

const readResponses = async (store: ReadableStore, shard: Address): Promise<AnsweredRecord[]> =>
  parseJsonl(`${RESPONSES} of ${shard}`, await store.readText(shard, RESPONSES), answeredSchema);

const asRow = (row: AnsweredRecord): TextRow => ({
  id: row.id,
  prompt: row.prompt,
  tools: toolsOf(row),
  texts: allCandidates(row),
});

/** The rows of the gold questions: candidate 0 is the chosen response. */
export async function readGold(store: ReadableStore, address: Address): Promise<TextRow[]> {
  const { files } = await store.manifest(address);
  if (!files.some(({ path }) => path === GOLD)) return [];
  const rows = parseJsonl(`${GOLD} of ${address}`, await store.readText(address, GOLD), preferenceSchema);
  return rows.map(({ id, prompt, chosen, rejected, ...row }) => ({
    id,
    prompt,
    tools: toolsOf(row as { tools?: Tool[] }),
    texts: [chosen, rejected],
  }));
}
