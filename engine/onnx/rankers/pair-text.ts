/** A prompt and two answers as PairRM reads them (llm_blender: tokenize_pair, CrossCompareCollator, get_pair_from_conv). */
import type { Tokenizer } from '@huggingface/tokenizers';
import { contentOf, messageText } from '../../../data/conversation.ts';
import { InputError } from '../../../data/errors.ts';
import { openTokenizer } from '../../tokenizer/tokenizer.ts';
import type { PairRmConfig } from './deberta-config.ts';
import type { Answered } from '../../protocol/jobs.ts';

const PREFIXES = ['<|source|>', '<|candidate1|>', '<|candidate2|>', '<|candidate|>'];
const CONVERSATION =
  'Finish the following coversation in each i-th turn by filling in <Response i> with your response.';

/** A prompt and its answers as tokens; the answers once as the first of a pair, once as the second. */
export interface EncodedAnswers {
  source: number[];
  first: number[][];
  second: number[][];
  /** Of each answer: whether it, or the prompt, is cut. */
  cut: boolean[];
}

export class PairTokenizer {
  /** Tokens whose hidden states are judged: of the prompt, of the first and of the second answer. */
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
      const id = tokenizer.token_to_id(prefix);
      if (id !== undefined && id < config.vocabSize) return id;
      throw new InputError(
        `${folder}: its tokenizer.json has no token "${prefix}" of the model: use the tokenizer of llm-blender/PairRM-hf.`,
      );
    });
  }

  encode({ prompt, answers }: Answered): EncodedAnswers {
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

  /** Closed by the separator, cut at the end to `limit` tokens. */
  private part(prefix: string, text: string, limit: number): { ids: number[]; isCut: boolean } {
    // In the text, the tokens that the model goes by would be taken for the real ones.
    const clean = [this.separator, ...PREFIXES].reduce((cleaned, token) => cleaned.replaceAll(token, ' '), text);
    const { ids } = this.tokenizer.encode(prefix + clean);
    return ids.length <= limit
      ? { ids, isCut: false }
      : { ids: [...ids.slice(0, limit - 1), ids.at(-1)!], isCut: true };
  }
}

/** A prompt of one turn as it is; one of several as the authors compare conversations, the turns before in both candidates. */
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
