/** A prompt and a candidate as a reward model reads them. */
import { contentOf } from '../../data/conversation.ts';
import type { Text } from '../../data/records.ts';
import type { TokenizerFiles } from '../tokenizer/tokenizer.ts';

/** A prompt and a candidate as tokens. */
export interface Exchange {
  ids: number[];
  /** BERT's token types: 0 for the first text, 1 for the second of a pair. */
  typeIds: number[];
}

/** The tokens of the rendered chat template; without one, of the pair of texts as the tokenizer joins it. */
export function encodeExchange({ tokenizer, chat }: TokenizerFiles, prompt: Text, answer: string): Exchange {
  if (!chat) return tokenizer.encode(contentOf(prompt), { pair: answer });
  const { ids } = tokenizer.encode(chat.renderExchange(prompt, answer), { addSpecialTokens: false });
  return { ids, typeIds: ids.map(() => 0) };
}
