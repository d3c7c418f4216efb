/**
 * The tokens that a folder's other files add to those of tokenizer.json, as transformers 5 does when it loads a folder
 * (PreTrainedTokenizerBase._from_pretrained and TokenizersBackend.__init__).
 */
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { addedToken, addedTokensOf, type AddedToken } from './exact-tokenizer.ts';
import { findJson, reasonOf } from '../model-files/json-file.ts';

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

const STANDARD = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

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
  const fromMap = namedTokens(mapFile, findJson(mapFile) ?? {}, { special: true });
  const named = { names: new Map([...fromConfig.names, ...fromMap.names]), extra: [...fromConfig.extra, ...fromMap.extra] };
  const known = new Set([...[...named.names.values()].map(contentOf), ...named.extra.map(contentOf)]);
  const byId = olderTokens(join(folder, 'added_tokens.json'), known);
  for (const { id, ...token } of addedTokensOf(json)) byId.set(id, token);
  return combined(byId, named);
}

interface NamedTokens {
  names: Map<string, Named>;
  /** Special tokens without a name. */
  extra: Named[];
}

/** Tokens of the list keep their settings, but are special if they have a name. Names without a token in the list are added. */
function combined(listed: Map<number, AddedToken>, { names, extra }: NamedTokens): ConfiguredTokens {
  const sorted = [...listed].sort(([a], [b]) => a - b).map(([, token]) => token);
  const byContent = new Map(sorted.map((token) => [token.content, token]));
  const named = new Set([...names.values()].map(contentOf));
  const others = [...names.values(), ...extra].filter((token) => !byContent.has(contentOf(token)));
  const tokens = [...sorted, ...others].map((token) => {
    if (typeof token === 'string') return addedToken({ content: token, special: true });
    return named.has(token.content) ? { ...token, special: true } : token;
  });
  return { tokens, names: Object.fromEntries([...names].map(([name, token]) => [name, contentOf(token)])) };
}

const contentOf = (token: Named): string => (typeof token === 'string' ? token : token.content);

/** `bos_token` and so on, names that a model has for itself, and special tokens without a name. */
function namedTokens(file: string, settings: Record<string, unknown>, defaults = {}): NamedTokens {
  const tokenOf = (value: unknown) => namedToken(file, value, defaults);
  const entries = Object.entries(settings).filter(([key, value]) => key.endsWith('_token') && isToken(value));
  const ordered = [...entries.filter(([key]) => STANDARD.includes(key)), ...entries.filter(([key]) => !STANDARD.includes(key))];
  const names = new Map(ordered.map(([key, value]) => [key, tokenOf(value)]));
  const { extra_special_tokens: extra, additional_special_tokens: additional } = settings;
  const isEmpty = extra === undefined || extra === null || Object.keys(extra as object).length === 0;
  const given = isEmpty ? additional : extra;
  if (Array.isArray(given)) return { names, extra: given.filter(isToken).map(tokenOf) };
  for (const [key, value] of Object.entries((given ?? {}) as object)) if (isToken(value)) names.set(key, tokenOf(value));
  return { names, extra: [] };
}

const isToken = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null && 'content' in value);

function namedToken(file: string, value: unknown, defaults: object): Named {
  return typeof value === 'string' ? value : readToken(file, { ...(value as object), ...defaults });
}

/** `added_tokens_decoder`: tokens by id. */
function listedTokens(file: string, value: unknown): Map<number, AddedToken> {
  const entries = Object.entries(value as object).map(([id, token]) => [Number(id), readToken(file, token)] as const);
  return new Map(entries);
}

/** added_tokens.json: ids by content. */
function olderTokens(file: string, special: Set<string>): Map<number, AddedToken> {
  const entries = Object.entries(findJson(file) ?? {});
  return new Map(
    entries.map(([content, id]) => [Number(id), addedToken({ content, special: special.has(content) })] as const),
  );
}

function readToken(file: string, value: unknown): AddedToken {
  try {
    return addedToken(value as Record<string, unknown>);
  } catch (error) {
    throw new InputError(`${file} has an added token that is none (${reasonOf(error)}): download it again.`);
  }
}
