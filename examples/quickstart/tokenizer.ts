/**
 * A tokenizer in Hugging Face's format: GPT-2's byte-level splitting, with every word of the task as one token. It can encode any
 * text, because other words are encoded as bytes. Decoding returns the original text.
 */

const USER = '<|user|>';
const ASSISTANT = '<|assistant|>';
const END = '<|end|>';
const SPECIAL = [END, USER, ASSISTANT];

/** GPT-2's pattern of the pre-tokenizer: matches words, numbers and punctuation, each with the space before it. */
const PIECE = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const TEMPLATE =
  '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}' +
  '{% if add_generation_prompt %}<|assistant|>{% endif %}';

/**
 * Creates the tokenizer.
 * @param texts all their pieces become tokens
 * @returns the contents of tokenizer.json and tokenizer_config.json
 */
export function makeTokenizer(texts: Iterable<string>): {
  json: object;
  config: object;
  vocabSize: number;
  endId: number;
} {
  const bytes = byteSymbols();
  const spell = (piece: string) => [...Buffer.from(piece)].map((byte) => bytes[byte]).join('');
  const pieces = new Set<string>();
  for (const text of texts) for (const [piece] of text.matchAll(PIECE)) pieces.add(spell(piece));
  const tokens = [...new Set([...SPECIAL, ...bytes, ...[...pieces].sort()])];
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      // A piece that is in the vocabulary is one token, although there are no merges.
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: END,
    pad_token: END,
    clean_up_tokenization_spaces: false,
    chat_template: TEMPLATE,
  };
  return { json, config, vocabSize: tokens.length, endId: tokens.indexOf(END) };
}

/** GPT-2's printable symbol for every byte: the character itself if it is printable, otherwise the next one from U+0100. */
function byteSymbols(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

const printable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
