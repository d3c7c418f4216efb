/**
 * The tokens that a folder's other files add to those of tokenizer.json, as transformers 5 does when it loads a folder
 * (PreTrainedTokenizerBase._from_pretrained and TokenizersBackend.__init__).
 */
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { addedToken, addedTokensOf, type AddedToken } from './exact-tokenizer.ts';
import { findJson, reasonOf } from '../model-files/json-file.ts';
import { settingsOf } from './pipeline/settings.ts';

interface Files {
  folder: string;
  /** tokenizer.json and tokenizer_config.json. */
  json: Record<string, unknown>;
  config: Record<string, unknown>;
}

interface ConfiguredTokens {
  /** To be added to those of tokenizer.json, in this order: their settings win. */
  tokens: AddedToken[];
  /** `bos_token`, `eos_token` and so on: the texts. */
  names: Record<string, string>;
}

/** A token with its settings, or the text of a special token. */
type Named = AddedToken | string;

/** @throws InputError when a file is damaged */
export function configuredTokens({ folder, json, config }: Files): ConfiguredTokens {
  const configFile = join(folder, 'tokenizer_config.json');
  const fromConfig = namedTokens(configFile, config);
  const listed = config['added_tokens_decoder'];
  // With this list, the files of older versions are ignored.
  if (listed !== undefined && listed !== null) {
    return combined(listedTokens(configFile, listed), fromConfig);
  }
  const mapFile = join(folder, 'special_tokens_map.json');
  const map = findJson(mapFile) ?? {};
  const fromMap = namedTokens(mapFile, map, { special: true });
  const isKept = fromConfig.extra.length > 0 && !('extra_special_tokens' in map);
  const named = {
    names: new Map([...fromConfig.names, ...fromMap.names]),
    extra: isKept ? fromConfig.extra : [...fromConfig.extra, ...fromMap.extra],
  };
  const known = new Set([...[...named.names.values()].map(contentOf), ...named.extra.map(contentOf)]);
  const byId = olderTokens(join(folder, 'added_tokens.json'), known);
  for (const { id, ...token } of addedTokensOf(json)) byId.set(id, token);
  return combined(byId, named);
}

/**
 * Checks that a model's tokenizer has the tokens of an adapter's folder, in which TRL saves the tokenizer of the training. A token for
 * padding is in no text.
 * @throws InputError that names the tokens which it lacks
 */
export function checkAdapterTokens(adapter: string, idOf: (token: string) => number | undefined): void {
  const configFile = join(adapter, 'tokenizer_config.json');
  const config = findJson(configFile) ?? {};
  const tokens = [
    ...addedTokensOf({ added_tokens: [], ...findJson(join(adapter, 'tokenizer.json')) }),
    ...[...listedTokens(configFile, config['added_tokens_decoder'] ?? {})].map(([id, token]) => ({ ...token, id })),
  ];
  const padding = namedTokens(configFile, config).names.get('pad_token');
  const lacking = tokens.filter(
    ({ id, content }) => idOf(content) !== id && content !== (padding && contentOf(padding)),
  );
  if (lacking.length === 0) return;
  const names = [...new Set(lacking.map(({ content }) => JSON.stringify(content)))];
  throw new InputError(
    `${adapter} was trained with a tokenizer that has tokens which the model's lacks (${shortened(names)}): ` +
      'merge the adapter into its model with PEFT, and save its tokenizer with it.',
  );
}

const SHOWN = 5;
const shortened = (names: string[]): string =>
  names.length > SHOWN ? `${names.slice(0, SHOWN).join(', ')}, … (${names.length})` : names.join(', ');

interface NamedTokens {
  names: Map<string, Named>;
  /** Special tokens without a name. */
  extra: Named[];
}

/** Tokens of the list keep their settings, but are special if they have a name. Names without a token in the list are added. */
function combined(listed: Map<number, AddedToken>, { names, extra }: NamedTokens): ConfiguredTokens {
  const sorted = [...listed].sort(([a], [b]) => a - b).map(([, token]) => token);
  const known = new Set(sorted.map(({ content }) => content));
  const ordered = [...names].sort(([a], [b]) => rankOf(a) - rankOf(b)).map(([, token]) => token);
  const named = new Set(ordered.map(contentOf));
  const others = [...ordered, ...extra].filter((token) => !known.has(contentOf(token)));
  const tokens = [...sorted, ...others].map((token) => {
    if (typeof token === 'string') return addedToken({ content: token, special: true });
    return named.has(token.content) ? { ...token, special: true } : token;
  });
  return { tokens, names: Object.fromEntries([...names].map(([name, token]) => [name, contentOf(token)])) };
}

/** Tokens with these names are added in this order, and those with other names after them. */
const STANDARD = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
const rankOf = (name: string): number => (STANDARD.includes(name) ? STANDARD.indexOf(name) : STANDARD.length);

const contentOf = (token: Named): string => (typeof token === 'string' ? token : token.content);

/** `bos_token` and so on, names that a model has for itself, and special tokens without a name. */
function namedTokens(file: string, settings: Record<string, unknown>, defaults = {}): NamedTokens {
  const tokenOf = (value: unknown) => (typeof value === 'string' ? value : readToken(file, value, defaults));
  const named = Object.entries(settings).filter(([key, value]) => key.endsWith('_token') && isToken(value));
  const { extra_special_tokens: extra, additional_special_tokens: additional } = settings;
  const others = isEmpty(extra) ? additional : extra;
  const tokens = Object.entries(Array.isArray(others) ? {} : (others ?? {})).filter(([, value]) => isToken(value));
  return {
    names: new Map([...named, ...tokens].map(([key, value]) => [key, tokenOf(value)])),
    extra: Array.isArray(others) ? others.filter(isToken).map(tokenOf) : [],
  };
}

const isToken = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null && 'content' in value);

const isEmpty = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || Object.keys(value).length === 0;

/** `added_tokens_decoder`: tokens by id. */
function listedTokens(file: string, value: unknown): Map<number, AddedToken> {
  return new Map(Object.entries(value as object).map(([id, token]) => [idOf(file, id), readToken(file, token)]));
}

/** added_tokens.json: ids by content. */
function olderTokens(file: string, special: Set<string>): Map<number, AddedToken> {
  const entries = Object.entries(findJson(file) ?? {});
  return new Map(
    entries.map(([content, id]) => [idOf(file, id), addedToken({ content, special: special.has(content) })]),
  );
}

function idOf(file: string, value: unknown): number {
  const id = Number(value);
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new InputError(
    `${file} has an added token with the id ${JSON.stringify(value)}, which is no number: download it again.`,
  );
}

/** @param defaults replace settings of the token */
function readToken(file: string, value: unknown, defaults = {}): AddedToken {
  try {
    return addedToken({ ...settingsOf(value, 'an added token'), type: 'an added token', ...defaults });
  } catch (error) {
    throw new InputError(`${file} has an invalid added token (${reasonOf(error)}): download it again.`);
  }
}
