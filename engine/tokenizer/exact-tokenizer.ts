/** A tokenizer that encodes and decodes as the tokenizers library of transformers does, by tokenizer.json. */
import { AddedTokens, type AddedToken } from './pipeline/added-tokens.ts';
import { bytesOf } from './pipeline/byte-level.ts';
import { byteOf, decoderOf, hasDecoder, type Decoder } from './pipeline/decoders.ts';
import { modelOf, type Model } from './pipeline/models.ts';
import { normalizerOf } from './pipeline/normalizers.ts';
import { merged, postProcessorOf, type Encoded, type PostProcessor } from './pipeline/post-processors.ts';
import { preTokenizerOf, type PreTokenizer } from './pipeline/pre-tokenizers.ts';
import { count, flag, parts, settingsOf, text, type Settings } from './pipeline/settings.ts';

export type { AddedToken } from './pipeline/added-tokens.ts';

/** Precedes a token that is decoded alone: the first token of a text loses its space. */
const BEFORE = 'a';

const utf8 = new TextEncoder();

interface EncodeOptions {
  /** The second text of a pair. */
  pair?: string;
  /** Whether the post-processor adds BOS and so on. Default: true. */
  addSpecialTokens?: boolean;
}

export class Tokenizer {
  private readonly added: AddedTokens;
  private readonly model: Model;
  private readonly preTokenizer: PreTokenizer | undefined;
  private readonly postProcessor: PostProcessor | undefined;
  private readonly decoder: Decoder | undefined;
  private readonly decoding: Settings | undefined;

  /**
   * @param json content of tokenizer.json
   * @throws Error when it is damaged, or of a kind that is not supported
   */
  constructor(json: Settings) {
    const make = <T>(key: string, of: (settings: Settings) => T): T | undefined =>
      json[key] === null || json[key] === undefined ? undefined : of(settingsOf(json[key], `"${key}"`));
    this.model = modelOf(settingsOf(json['model'], '"model"'));
    this.preTokenizer = make('pre_tokenizer', preTokenizerOf);
    this.postProcessor = make('post_processor', postProcessorOf);
    this.decoder = make('decoder', decoderOf);
    this.decoding = make('decoder', (settings) => settings);
    this.added = new AddedTokens(this.model, make('normalizer', normalizerOf));
    // The library ignores their ids, too.
    this.added.add(addedTokensOf(json));
  }

  /** Adds tokens; see AddedTokens. */
  add(tokens: AddedToken[]): void {
    this.added.add(tokens);
  }

  /** @throws Error when a text cannot be encoded */
  encode(text: string, { pair, addSpecialTokens = true }: EncodeOptions = {}): Encoded {
    const texts = pair === undefined ? [text] : [text, pair];
    const sequences = texts.map((each, type) => {
      const ids = this.idsOf(each);
      return { ids, typeIds: ids.map(() => type) };
    });
    return merged(this.postProcessor?.(sequences, addSpecialTokens) ?? sequences);
  }

  /** The text of tokens, without special ones. No spaces are cleaned up. Unknown ids are ignored. */
  decode(ids: number[]): string {
    return this.decodeTokens(ids.flatMap((id) => (this.isSpecial(id) ? [] : (this.textOf(id) ?? []))));
  }

  tokenToId(token: string): number | undefined {
    return this.added.ids.get(token) ?? this.model.vocabulary.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.added.tokens.get(id)?.content ?? this.model.tokens.get(id);
  }

  /** The texts of all added tokens. */
  get addedTokens(): string[] {
    return [...this.added.ids.keys()];
  }

  /** Whether decoding leaves out a token. */
  isSpecial(id: number): boolean {
    return this.added.isSpecial(id);
  }

  /** The bytes of a token in the middle of a text, which may be a part of a character. A special token's bytes are its name. */
  tokenBytes(id: number): Uint8Array {
    const token = this.textOf(id) ?? '';
    if (this.isSpecial(id) || !this.decoder) return utf8.encode(token);
    const byte = byteOf(token);
    if (byte !== undefined && hasDecoder(this.decoding, 'ByteFallback')) return Uint8Array.of(byte);
    if (hasDecoder(this.decoding, 'ByteLevel')) return Uint8Array.from(bytesOf(token));
    return utf8.encode(this.decodeTokens([BEFORE, token]).slice(BEFORE.length));
  }

  /** Whether a token is one byte of a character that the vocabulary lacks, as in `<0xE2>`. */
  isByteFallback(id: number): boolean {
    return hasDecoder(this.decoding, 'ByteFallback') && byteOf(this.textOf(id) ?? '') !== undefined;
  }

  private idsOf(text: string): number[] {
    return this.added.cut(text).flatMap((part) => {
      if (typeof part === 'number') return [part];
      const words = this.preTokenizer?.([part]) ?? [part];
      return words.flatMap((word) => this.model.encode(word.text));
    });
  }

  private textOf(id: number): string | undefined {
    return this.added.texts.get(id) ?? this.model.tokens.get(id);
  }

  private decodeTokens(tokens: string[]): string {
    return this.decoder ? this.decoder(tokens).join('') : tokens.join(' ');
  }
}

/** `added_tokens` of tokenizer.json. */
export function addedTokensOf(json: Settings): (AddedToken & { id: number })[] {
  return parts(json, 'added_tokens').map((token) => ({ ...addedToken(token), id: count(token, 'id') }));
}

/** An added token with its settings. Special tokens are not normalized unless they say so. */
export function addedToken(settings: Settings): AddedToken {
  const special = flag(settings, 'special', false);
  return {
    content: text(settings, 'content'),
    single_word: flag(settings, 'single_word', false),
    lstrip: flag(settings, 'lstrip', false),
    rstrip: flag(settings, 'rstrip', false),
    normalized: flag(settings, 'normalized', !special),
    special,
  };
}
