/** How added tokens, such as special ones, are cut out of a text, as the tokenizers library of transformers does. */
import type { Tokenizer } from '@huggingface/tokenizers';

interface AddedToken {
  content: string;
  normalized: boolean;
  /** Whether it takes the white space before it, and after it. */
  lstrip: boolean;
  rstrip: boolean;
}

/** Parts of the library's tokenizer. */
interface Encoder {
  added_tokens: AddedToken[];
  /** Cut out before normalization, and after it. */
  splitter_unnormalized: Splitter;
  splitter_normalized: Splitter;
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  model(words: string[]): string[];
  encode_text(text: string | null): string[] | null;
}

interface Splitter {
  /** A word of the splitter's is a part of its own. */
  split(text: string): string[];
}

/**
 * The library takes a text that equals an added token after normalization for that token, although the token is cut out before it
 * (Gemma's runs of spaces); and strips JavaScript's white space, which has U+FEFF and lacks U+0085, around tokens (Phi-3).
 */
export function correctAddedTokens(tokenizer: Tokenizer): void {
  const encoder = tokenizer as unknown as Encoder;
  const { normalizer, pre_tokenizer: preTokenizer, added_tokens: tokens } = encoder;
  const isLate = (token: AddedToken) => token.normalized && normalizer !== null;
  const early = new Map(tokens.filter((token) => !isLate(token)).map((token) => [token.content, token]));
  const late = new Map(tokens.filter(isLate).map((token) => [normalizer!(token.content), token]));
  const encodePart = (text: string, section_index: number) =>
    encoder.model(preTokenizer ? preTokenizer(text, { section_index }) : [text]);
  const encodeSection = (text: string, index: number) =>
    cut(encoder.splitter_normalized, late, normalizer ? normalizer(text) : text).flatMap((part) =>
      typeof part === 'string' ? encodePart(part, index) : [part.content],
    );
  encoder.encode_text = (text) =>
    text === null
      ? null
      : cut(encoder.splitter_unnormalized, early, text).flatMap((part, i) =>
          typeof part === 'string' ? encodeSection(part, i) : [part.content],
        );
}

/** A text's parts: the splitter's tokens, and what is between them. */
function cut(splitter: Splitter, tokens: Map<string, AddedToken>, text: string): (string | AddedToken)[] {
  const parts = splitter.split(text).map((part) => tokens.get(part) ?? part);
  return parts.flatMap((part, i): (string | AddedToken)[] => {
    if (typeof part !== 'string') return [part];
    const [before, after] = [parts[i - 1], parts[i + 1]];
    const start = typeof before === 'object' && before.rstrip ? part.replace(/^\p{White_Space}+/u, '') : part;
    const rest = typeof after === 'object' && after.lstrip ? start.replace(/\p{White_Space}+$/u, '') : start;
    return rest === '' ? [] : [rest];
  });
}
