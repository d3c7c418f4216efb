/** The questions of a round: which pairs are asked how often, with the gold questions among them. */
import { uniform } from '../../data/random.ts';
import type { QuestionRecord } from './protocol.ts';
import type { AskSettings } from './settings.ts';
import { shareVotes, votesOf } from './share-votes.ts';
import { strategies } from './strategies/index.ts';
import type { AskablePrompt, SelectedPair } from './strategies/strategy.ts';

/** A prompt of the round about which people can be asked. */
export interface RoundPrompt extends AskablePrompt {
  shard: number;
}

type Unnumbered = Omit<QuestionRecord, 'id'>;

/**
 * The questions in the order of the blocks, which is random. They do not depend on the order of the prompts.
 * @param gold the prompts with known answers: candidate 0 is the better response
 */
export async function makeQuestions(
  prompts: RoundPrompt[],
  gold: { id: string }[],
  asking: AskSettings,
  seed: number,
): Promise<QuestionRecord[]> {
  const asked = await selectPairs(prompts, asking, seed);
  return inOrder(asked, goldOf(gold, Math.ceil((asking.goldShare ?? 0) * asked.length), seed), seed);
}

/** The questions that are no gold questions. Their order is that of the prompts. */
async function selectPairs(prompts: RoundPrompt[], asking: AskSettings, seed: number): Promise<Unnumbered[]> {
  const { strategy, votes, overlap, randomShare } = asking;
  const { questions, overlapping } = shareVotes(votes, overlap, prompts.length);
  const share = strategy === 'random' ? 1 : randomShare;
  const random = await strategies.random.select(prompts, { count: Math.round(share * questions), seed, asked: [] });
  const taken = new Set(random.map(({ prompt }) => prompt));
  const others = await strategies[strategy].select(
    prompts.filter((prompt) => !taken.has(prompt)),
    { count: questions - random.length, seed, asked: random },
  );
  const selected = [...random.map((one) => asQuestion(one, true)), ...others.map((one) => asQuestion(one, false))];
  return byHash(selected, seed, 'overlap').map((one, i) => ({ ...one, votes: votesOf(i < overlapping) }));
}

const asQuestion = ({ prompt, pair, value }: SelectedPair<RoundPrompt>, random: boolean): Unnumbered => ({
  prompt_id: prompt.id,
  shard: prompt.shard,
  candidates: [prompt.candidates[pair[0]].index, prompt.candidates[pair[1]].index],
  ...(!random && { value }),
  random,
});

/** Gold questions, with the known answer first or second. */
function goldOf(rows: { id: string }[], count: number, seed: number): Unnumbered[] {
  const records = rows.map(({ id }): Unnumbered => {
    const gold = uniform(seed, 'gold', id) < 1 / 2 ? 0 : 1;
    return { prompt_id: id, candidates: gold === 0 ? [0, 1] : [1, 0], random: false, gold };
  });
  return byHash(records, seed, 'gold questions').slice(0, count);
}

/** The questions in random order, with the gold questions at equal distances, so that each block has its share. */
function inOrder(asked: Unnumbered[], gold: Unnumbered[], seed: number): QuestionRecord[] {
  const total = asked.length + gold.length;
  const order = byHash(asked, seed, 'order');
  for (const [i, one] of gold.entries()) order.splice(Math.floor(((i + 0.5) * total) / gold.length), 0, one);
  // The ids of gold questions are as those of others: voters may see them.
  return order.map((one, i) => ({ id: `q${i + 1}`, ...one }));
}

/** In an order that depends on the seed and the prompts alone. */
const byHash = (records: Unnumbered[], seed: number, purpose: string): Unnumbered[] =>
  records
    .map((record) => ({ record, at: uniform(seed, purpose, record.prompt_id) }))
    .sort((a, b) => a.at - b.at)
    .map(({ record }) => record);
