/** Prompt and answer as a reward model reads them. */
import { contentOf } from '../../data/conversation.ts';
import type { Text } from '../../data/records.ts';
import type { TokenizerFiles } from '../model/tokenizer.ts';

export interface Exchange {
  ids: number[];
  /** 0 for the first text and 1 for the second, where they are two. */
  typeIds: number[];
}

/** The conversation in the tokenizer's chat template; without one, the pair of texts as the tokenizer joins it. */
export function encodeExchange({ tokenizer, chat }: TokenizerFiles, prompt: Text, answer: string): Exchange {
  if (chat) {
    const { ids } = tokenizer.encode(chat.renderExchange(prompt, answer), { add_special_tokens: false });
    return { ids, typeIds: ids.map(() => 0) };
  }
  const encoded = tokenizer.encode(contentOf(prompt), { text_pair: answer, return_token_type_ids: true });
  return { ids: encoded.ids, typeIds: encoded.token_type_ids };
}
