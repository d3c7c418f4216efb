/** A prompt and a candidate as a reward model reads them. */
import type { Tokenizer } from '@huggingface/tokenizers';
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
  if (chat) {
    const { ids } = tokenizer.encode(chat.renderExchange(prompt, answer), { add_special_tokens: false });
    return { ids, typeIds: ids.map(() => 0) };
  }
  if (answer === '') return encodeEmpty(tokenizer, contentOf(prompt));
  const encoded = tokenizer.encode(contentOf(prompt), { text_pair: answer, return_token_type_ids: true });
  return { ids: encoded.ids, typeIds: encoded.token_type_ids };
}

/** The tokens of a pair whose second text is empty: Tokenizer.encode() would encode a single text. */
function encodeEmpty(tokenizer: Tokenizer, text: string): Exchange {
  const first = tokenizer.encode(text, { add_special_tokens: false });
  const idOf = new Map(first.tokens.map((token: string, i: number) => [token, first.ids[i]]));
  const joined: { tokens: string[]; token_type_ids?: number[] } =
    tokenizer.post_processor?.post_process(first.tokens, [], true) ?? first;
  const ids = joined.tokens.map((token) => idOf.get(token) ?? tokenizer.token_to_id(token)!);
  return { ids, typeIds: joined.token_type_ids ?? ids.map(() => 0) };
}
