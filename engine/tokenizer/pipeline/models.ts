/** Encodes words as tokens: `model` of tokenizer.json. */
import { bpe } from './bpe.ts';
import { settingsOf, text, count, type Settings } from './settings.ts';
import { unigram } from './unigram.ts';

export interface Model {
  /** Ids by token, without added tokens. */
  vocabulary: Map<string, number>;
  tokens: Map<number, string>;
  /** Number of tokens: the first id of an added token that the vocabulary lacks. */
  size: number;
  encode(word: string): number[];
}

/** @throws Error when the settings are invalid, or of a kind that is not supported */
export function modelOf(settings: Settings): Model {
  const type = settings['type'] ?? untyped(settings);
  switch (type) {
    case 'BPE': {
      const vocabulary = vocabularyOf(settings);
      return modelWith(vocabulary, bpe(settings, vocabulary));
    }
    case 'WordPiece': {
      const vocabulary = vocabularyOf(settings);
      return modelWith(vocabulary, wordPiece(settings, vocabulary));
    }
    case 'WordLevel': {
      const vocabulary = vocabularyOf(settings);
      const unknown = text(settings, 'unk_token');
      return modelWith(vocabulary, (word) => [vocabulary.get(word) ?? unknownId(vocabulary, unknown)]);
    }
    case 'Unigram': {
      const { vocabulary, tokens, encode } = unigram(settings);
      return { vocabulary, tokens: new Map(tokens.entries()), size: tokens.length, encode };
    }
    default:
      throw new Error(`the model ${JSON.stringify(type)} is not supported`);
  }
}

/** Older files do not name the type. */
function untyped(settings: Settings): string | undefined {
  if ('merges' in settings) return 'BPE';
  if (Array.isArray(settings['vocab'])) return 'Unigram';
  if ('continuing_subword_prefix' in settings) return 'WordPiece';
  return 'vocab' in settings ? 'WordLevel' : undefined;
}

const modelWith = (vocabulary: Map<string, number>, encode: Model['encode']): Model => ({
  vocabulary,
  tokens: new Map([...vocabulary].map(([token, id]) => [id, token])),
  size: vocabulary.size,
  encode,
});

function vocabularyOf(settings: Settings): Map<string, number> {
  const entries = Object.entries(settingsOf(settings['vocab'], 'the vocabulary'));
  const invalid = entries.find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (invalid) throw new Error(`the token ${JSON.stringify(invalid[0])} of the vocabulary has no id`);
  return new Map(entries as [string, number][]);
}

function unknownId(vocabulary: Map<string, number>, token: string): number {
  const id = vocabulary.get(token);
  if (id !== undefined) return id;
  throw new Error(`the vocabulary lacks its unknown token ${JSON.stringify(token)}`);
}

/** The longest beginnings that the vocabulary has; a word with a rest that has none is unknown. */
function wordPiece(settings: Settings, vocabulary: Map<string, number>): Model['encode'] {
  const [unknown, prefix] = [text(settings, 'unk_token'), text(settings, 'continuing_subword_prefix')];
  const most = count(settings, 'max_input_chars_per_word');
  const longestAt = (characters: string[], start: number): { id: number; end: number } | undefined => {
    for (let end = characters.length; end > start; end--) {
      const id = vocabulary.get((start > 0 ? prefix : '') + characters.slice(start, end).join(''));
      if (id !== undefined) return { id, end };
    }
    return undefined;
  };
  return (word) => {
    const characters = [...word];
    const ids: number[] = [];
    for (let start = 0; start < characters.length;) {
      const found = characters.length > most ? undefined : longestAt(characters, start);
      if (!found) return [unknownId(vocabulary, unknown)];
      ids.push(found.id);
      start = found.end;
    }
    return ids;
  };
}
