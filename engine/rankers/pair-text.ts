/** A prompt and two candidates as PairRM reads them (llm_blender: tokenize_pair, CrossCompareCollator, get_pair_from_conv). */
import { contentOf, messageText } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import type { Tokenizer } from '../tokenizer/exact-tokenizer.ts';
import { openTokenizer } from '../tokenizer/tokenizer.ts';
import type { PairRmConfig } from './deberta-config.ts';
import type { Answered } from '../protocol/jobs.ts';

const PREFIXES = ['<|source|>', '<|candidate1|>', '<|candidate2|>', '<|candidate|>'];
const CONVERSATION =
  'Finish the following coversation in each i-th turn by filling in <Response i> with your response.';

/** A prompt and its candidates as tokens, each candidate as the first of a pair and as the second. */
export interface EncodedCandidates {
  source: number[];
  first: number[][];
  second: number[][];
  /** Whether each candidate, or the prompt, was cut. */
  cut: boolean[];
}

/** PairRM's tokenizer. */
export class PairTokenizer {
  /** The tokens whose hidden states are scored: in front of the prompt, of the first and of the second candidate. */
  readonly prefixIds: number[];
  private readonly tokenizer: Tokenizer;
  private readonly config: PairRmConfig;
  private readonly separator: string;

  /** @throws InputError when a file is missing or damaged, or lacks PairRM's tokens */
  constructor(folder: string, config: PairRmConfig) {
    const { tokenizer, special } = openTokenizer(folder);
    this.tokenizer = tokenizer;
    this.config = config;
    this.separator = special['sep_token'] ?? '[SEP]';
    this.prefixIds = PREFIXES.slice(0, 3).map((prefix) => {
      const id = tokenizer.tokenToId(prefix);
      if (id !== undefined && id < config.vocabSize) return id;
      throw new InputError(
        `${folder}: its tokenizer.json has no token "${prefix}" of the model: use the tokenizer of llm-blender/PairRM-hf.`,
      );
    });
  }

  /** The tokens of a prompt and its candidates, cut to the lengths in the configuration. */
  encode({ prompt, answers }: Answered): EncodedCandidates {
    const { sourceMaxLength, candidateMaxLength } = this.config;
    const { source, candidates } = asTexts(prompt, answers);
    const encodedSource = this.part(PREFIXES[0], source, sourceMaxLength);
    const room = candidateMaxLength + Math.floor((sourceMaxLength - encodedSource.ids.length) / 2);
    const [first, second] = [PREFIXES[1], PREFIXES[2]].map((prefix) =>
      candidates.map((text) => this.part(prefix, text, room)),
    );
    return {
      source: encodedSource.ids,
      first: first.map(({ ids }) => ids),
      second: second.map(({ ids }) => ids),
      cut: first.map((part, i) => encodedSource.isCut || part.isCut || second[i].isCut),
    };
  }

  /** The prefix token, the text and the separator, with the end of the text cut off if they are more than `limit` tokens. */
  private part(prefix: string, text: string, limit: number): { ids: number[]; isCut: boolean } {
    // Special tokens in the text would be read as the real ones.
    const clean = [this.separator, ...PREFIXES].reduce((cleaned, token) => cleaned.replaceAll(token, ' '), text);
    const { ids } = this.tokenizer.encode(prefix + clean);
    return ids.length <= limit
      ? { ids, isCut: false }
      : { ids: [...ids.slice(0, limit - 1), ids.at(-1)!], isCut: true };
  }
}

/** A prompt of one turn unchanged; one of several turns as the authors compare conversations, with earlier turns in both candidates. */
function asTexts(prompt: Answered['prompt'], answers: string[]): { source: string; candidates: string[] } {
  const turns = typeof prompt === 'string' ? [] : prompt;
  const given = turns.filter(({ role }) => role === 'assistant').map(messageText);
  if (given.length === 0) return { source: contentOf(prompt), candidates: answers };
  const rounds: string[][] = [[]];
  for (const turn of turns) {
    if (turn.role === 'assistant') rounds.push([]);
    else rounds.at(-1)!.push(messageText(turn));
  }
  const asked = rounds.map((texts, i) => `USER: ${texts.join('\n')}\nAssistant: <Response ${i + 1}>`);
  const candidate = (answer: string) => [...given, answer].map((text, i) => `<Response ${i + 1}>: ${text}`).join('\n');
  return { source: CONVERSATION + asked.join('\n'), candidates: answers.map(candidate) };
}
