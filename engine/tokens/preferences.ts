/** Preferences as the tokens that are trained on: sampled token ids are used as they are, texts are encoded, all are cut to length. */
import { asConversation, contentOf, simplified } from '../../data/conversation.ts';
import { InputError, located } from '../../data/errors.ts';
import { preferencesOf, type ReadCounts } from '../../data/readers.ts';
import {
  ROLES,
  type PreferenceRecord,
  type Role,
  type Text,
  type TokenizedPreferenceRecord,
} from '../../data/records.ts';
import { templateInputs, type TemplateInputs } from '../../data/template-inputs.ts';
import type { ModelTokenizer } from '../tokenizer/tokenizer.ts';
import type { LengthLimits } from '../protocol/settings.ts';
import type { RowCounts } from '../../data/row-counts.ts';
import { checkIds, limitsOf } from './checks.ts';
import type { TextPolicy, TokenizedResponse } from './responses.ts';

/** A preference's three responses, mostly to the same prompt, and its confidence (see `PreferenceRecord`). */
export type TokenizedPreference = Record<Role, TokenizedResponse> & { confidence?: number };

/** What an objective uses of a preference besides the chosen and the rejected response. */
interface UsedFields {
  /** The reference response. */
  reference: boolean;
  /** The confidence, if there is one. Default: false. */
  confidence?: boolean;
}

/**
 * The tokens of preferences. Rows that nothing can be learned from are left out and counted.
 * @param policy whose tokenizer and context length are used
 * @param source the rows, or the path of a file of them
 * @param given limits that prompts and responses are cut to; also to the model's context
 * @param range of rows to return: `from` included, `to` not
 * @throws InputError that names the row that the model cannot read or that lacks what the objective needs
 */
export async function tokenizePreferences(
  policy: TextPolicy,
  source: (PreferenceRecord | TokenizedPreferenceRecord)[] | string,
  given: LengthLimits,
  uses: UsedFields,
  range: { from: number; to: number } = { from: 0, to: Infinity },
): Promise<{ rows: TokenizedPreference[]; counts: RowCounts }> {
  const counts = { rows: 0, truncated: 0, equal: 0, promptTooLong: 0, promptNotPrefix: 0 };
  const limits = limitsOf(policy.model, given);
  const rows: TokenizedPreference[] = [];
  const read: ReadCounts = { rows: 0, equal: 0 };
  for await (const row of typeof source === 'string' ? preferencesOf(source, read) : counted(source, read)) {
    const index = read.rows - read.equal - 1;
    if (index < range.from || index >= range.to) continue;
    const tokenized = located(`Row ${read.rows}`, () => tokenizePreference(policy, row, limits, uses, counts));
    if (tokenized) rows.push(tokenized);
  }
  counts.rows += read.equal;
  counts.equal += read.equal;
  return { rows, counts };
}

function* counted<R>(rows: R[], read: ReadCounts): Generator<R> {
  for (const row of rows) {
    read.rows++;
    yield row;
  }
}

/**
 * The tokens of a preference, cut to length; undefined if nothing can be learned from it. Adds the row to `counts`.
 * @param uses without the reference response, the chosen response replaces an absent one, at no cost: equal responses are computed once
 * @throws InputError for a row that the model cannot read or that lacks what the objective needs
 */
function tokenizePreference(
  policy: TextPolicy,
  row: PreferenceRecord | TokenizedPreferenceRecord,
  limits: LengthLimits,
  uses: UsedFields,
  counts: RowCounts,
): TokenizedPreference | undefined {
  counts.rows++;
  const { roles, isPrefix } = encodeRoles(policy, row, uses.reference);
  const confidence = uses.confidence ? checkConfidence(row.confidence) : undefined;
  counts.promptNotPrefix += Number(!isPrefix);
  if (ROLES.some((role) => Math.min(roles[role].prompt.length, limits.maxPromptLength) >= limits.maxLength)) {
    counts.promptTooLong++;
    return undefined;
  }
  let isCut = false;
  // A prompt keeps its end, with the question; a response its beginning. A prompt that fits stays the same array: roles share it.
  const cutPrompts = new Map<number[], number[]>();
  const cutPrompt = (prompt: number[]) => {
    if (prompt.length <= limits.maxPromptLength) return prompt;
    isCut = true;
    const known = cutPrompts.get(prompt) ?? prompt.slice(-limits.maxPromptLength);
    cutPrompts.set(prompt, known);
    return known;
  };
  const cut = ({ prompt: fullPrompt, response }: TokenizedResponse): TokenizedResponse => {
    const prompt = cutPrompt(fullPrompt);
    const room = limits.maxLength - prompt.length;
    isCut ||= response.length > room;
    return { prompt, response: response.length > room ? response.slice(0, room) : response };
  };
  const tokenized = { chosen: cut(roles.chosen), rejected: cut(roles.rejected), reference: cut(roles.reference) };
  counts.truncated += Number(isCut);
  if (isSame(tokenized.chosen, tokenized.rejected)) {
    counts.equal++;
    return undefined;
  }
  return { ...tokenized, ...(confidence !== undefined && { confidence }) };
}

/** Label smoothing is 1 - confidence, which must be less than a half. */
function checkConfidence(confidence: number | undefined): number | undefined {
  if (confidence === undefined || (confidence > 0.5 && confidence <= 1)) return confidence;
  throw new InputError(
    `its "confidence" is ${confidence}: give the probability that chosen is better, more than 0.5 and at most 1; ` +
      'or set labelSmoothing to a number.',
  );
}

const isSame = (a: TokenizedResponse, b: TokenizedResponse) =>
  a.response.join() === b.response.join() && a.prompt.join() === b.prompt.join();

function encodeRoles(
  policy: TextPolicy,
  row: PreferenceRecord | TokenizedPreferenceRecord,
  needsReference: boolean,
): { roles: TokenizedPreference; isPrefix: boolean } {
  const texts = textsOf(row);
  const present = ROLES.filter((role) => row[`${role}_input_ids`] !== undefined || texts?.[role] !== undefined);
  if (!present.includes('reference') && needsReference) {
    throw new InputError(
      `it has no "${texts ? 'reference_response' : 'reference_input_ids'}", which the objective needs: ` +
        'add it, or use an objective without optimism, such as dpo.',
    );
  }
  const asText = present.filter((role) => row[`${role}_input_ids`] === undefined);
  const encoded =
    asText.length > 0 ? encodeTexts(policy.tokenizer(), row as PreferenceRecord, texts!, asText) : undefined;
  const rolePrompt = (role: Role) => row[`${role}_prompt_input_ids`];
  const tokens = (role: Role): TokenizedResponse => {
    const ids = row[`${role}_input_ids`];
    if (!ids) return encoded!.responses.get(role)!;
    const prompt = rolePrompt(role) ?? row.prompt_input_ids;
    if (!prompt)
      throw new InputError(`it has "${role}_input_ids" without "prompt_input_ids": give both, or the texts alone.`);
    for (const given of [prompt, ids]) checkIds(policy.model, given);
    return { prompt, response: ids };
  };
  const [chosen, rejected] = [tokens('chosen'), tokens('rejected')];
  return {
    roles: { chosen, rejected, reference: present.includes('reference') ? tokens('reference') : chosen },
    isPrefix: (encoded?.isPrefix ?? true) && ROLES.every((role) => rolePrompt(role) === undefined),
  };
}

/** The tokens of a row's texts, by role. Responses that follow the same prompt have the same array as their prompt. */
function encodeTexts(
  tokenizer: Pick<ModelTokenizer, 'encodeExchange'>,
  row: PreferenceRecord,
  { prompt: text, inputs, ...texts }: Texts,
  roles: Role[],
) {
  const responses = new Map<Role, TokenizedResponse>();
  let prompt: number[] = [];
  let isPrefix = true;
  for (const open of [false, true]) {
    const group = roles.filter((role) => isOpen(row, role) === open);
    if (group.length === 0) continue;
    const given = group.map((role) => texts[role]!);
    const encoded = tokenizer.encodeExchange(text, given, { ...inputs, open });
    isPrefix &&= encoded.isPrefix;
    if (encoded.prompt.join() !== prompt.join()) prompt = encoded.prompt;
    for (const [i, role] of group.entries()) responses.set(role, { prompt, response: encoded.responses[i] });
  }
  return { responses, isPrefix };
}

/**
 * Whether nothing ends a response when its text is encoded: it was cut. An empty text has an end all the same, since a response has at
 * least one token.
 * @throws InputError when the response was cut in a message that is more than a text
 */
export function isOpen(row: PreferenceRecord, role: Role): boolean {
  if (row[`${role}_finish_reason`] !== 'length') return false;
  const { [role === 'reference' ? 'reference_response' : role]: text = '' } = row;
  if (typeof simplified(asConversation(text, 'assistant').slice(-1)) !== 'string') {
    throw new InputError(
      `its "${role}_finish_reason" is length, and its response ends with more than a text (tool calls, reasoning, parts): ` +
        'give its token ids, or leave the row out.',
    );
  }
  return contentOf(text) !== '';
}

type Texts = { prompt: Text; inputs: TemplateInputs } & Partial<Record<Role, Text>>;

function textsOf(row: PreferenceRecord | TokenizedPreferenceRecord): Texts | undefined {
  if (!('prompt' in row)) return undefined;
  const { prompt, chosen, rejected, reference_response: reference } = row as PreferenceRecord;
  return { prompt, inputs: templateInputs(row as PreferenceRecord), chosen, rejected, reference };
}

/**
 * Checks that the token ids in rows that have texts too are the tokens of these texts. Ids of another model's tokenizer, or of a text that
 * was edited afterwards, would be trained on silently.
 * @param numbers of the rows in their file, for messages
 * @param tokenizer opened only if a row has both
 * @throws InputError that names the first row whose ids are not the tokens of its text
 */
export function checkTokens(
  rows: (PreferenceRecord | TokenizedPreferenceRecord)[],
  numbers: number[],
  tokenizer: () => Pick<ModelTokenizer, 'decodeAnswer' | 'encodeExchange'>,
): void {
  for (const [i, row] of rows.entries()) {
    const texts = textsOf(row);
    if (!texts) continue;
    for (const role of ROLES) {
      const [text, ids] = [texts[role], row[`${role}_input_ids`]];
      if (text === undefined || ids === undefined || row.prompt_input_ids === undefined) continue;
      // The text of a sampled response is what its tokens decode to. Of a data set's response a template may leave out a part.
      if (tokenizer().decodeAnswer(row.prompt_input_ids, ids).trim() === contentOf(text).trim()) continue;
      const {
        responses: [encoded],
      } = tokenizer().encodeExchange(texts.prompt, [text], texts.inputs);
      if (encoded.join() === ids.join()) continue;
      throw new InputError(
        `Row ${numbers[i]}: "${role}_input_ids" are not the tokens of the row's text with this model's tokenizer: ` +
          'remove the *_input_ids fields to have the texts encoded, or give the model that sampled them.',
      );
    }
  }
}
