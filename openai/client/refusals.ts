/** Parses error responses of different servers: the message, and the reason why the request was rejected. */
import { APIError } from 'openai';
import { oneLine } from '../../data/errors.ts';
import { jsonOf } from '../../data/json.ts';
import type { ErrorBody, ErrorCode } from '../schema/errors.ts';

const MOST_CHARACTERS = 300;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/**
 * Converts an error body to the format of the OpenAI API, which the client library reads. FastAPI returns `detail`, older vLLM and
 * Mistral a `message` at the top level, Text Generation Inference a string in `error`.
 * @param text a body in any of these formats; other texts are returned unchanged
 */
export function openAiErrorBody(text: string): string {
  const parsed = jsonOf(text);
  // Gemini sends a list with one object.
  const body: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!isRecord(body)) return text;
  if (isRecord(body['error'])) return body === parsed ? text : JSON.stringify(body);
  const { error, message, detail, param, code } = body;
  // Mistral puts FastAPI's list into `message`.
  const said = detail ?? (isRecord(message) ? message['detail'] : undefined) ?? error ?? message;
  if (said === undefined) return text;
  const fields: unknown[] = Array.isArray(said) ? said : [];
  const first = fields.find(isRecord)?.['loc'];
  const named = Array.isArray(first) ? String(first.at(-1)) : undefined;
  const normalized: ErrorBody = {
    error: {
      message: fields.length > 0 ? fields.map(fieldError).join('; ') : isText(said) ? said : JSON.stringify(said),
      param: isText(param) ? param : named,
      code: isText(code) ? code : undefined,
    },
  };
  return JSON.stringify(normalized);
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Pydantic's error for one field, as text. */
function fieldError(field: unknown): string {
  if (!isRecord(field) || !Array.isArray(field['loc'])) return JSON.stringify(field);
  return `${field['loc'].filter((part) => part !== 'body').join('.')}: ${String(field['msg'])}`;
}

/** The error message in one line. Long bodies are shortened, and a "Connection error." is replaced by the message of its cause. */
export function wordsOf(error: unknown): string {
  const { cause, message, code } = error as Error & { code?: string };
  if (cause instanceof Error) return wordsOf(cause);
  return oneLine((message || String(code)).trim().split('\n')[0]).slice(0, MOST_CHARACTERS);
}

function fieldsOf(error: unknown): { code?: string; type?: string; param?: string } {
  if (!(error instanceof APIError)) return {};
  const { code, type, param } = error;
  // LiteLLM sends the string "None".
  return { code: String(code), type: String(type), ...(param && param !== 'None' && { param }) };
}

const hasCode = (error: unknown, ...codes: ErrorCode[]) => codes.some((code) => code === fieldsOf(error).code);

/** The parameter that the server rejected, if the error contains it. */
export const refusedParameter = (error: unknown): string | undefined => fieldsOf(error).param;

const QUOTA_CODES = /insufficient_quota|billing_hard_limit|billing_not_active/;
// Does not match "exceeded your current quota": Gemini also sends that text for its requests-per-minute limit.
const QUOTA = /insufficient (balance|credits|funds)|credit balance is too low/i;

/** Whether the account has no credit left. Such an error is not retried. */
export function isOutOfQuota(error: unknown): boolean {
  const { code, type } = fieldsOf(error);
  return QUOTA_CODES.test(`${code} ${type}`) || QUOTA.test(wordsOf(error));
}

/** Whether the server does not accept the key. Gemini reports that with status 400. */
export const isInvalidKey = (error: unknown): boolean => /api key not valid/i.test(wordsOf(error));

// Messages of OpenAI, vLLM, llama.cpp, SGLang, Text Generation Inference, Anthropic, Gemini and `selm serve`.
const TOO_LONG = new RegExp(
  [
    'context.{0,12}(length|size|window)',
    'maximum context',
    '(prompt|input|request|sequence|messages?).{0,40}too (long|large)',
    "longer than the model's",
    'token count.{0,20}exceeds',
    'max_new_tokens`? must be',
    'too many tokens',
    'reduce the length',
  ].join('|'),
  'i',
);

/** Whether the request has more tokens than the model's context. */
export function isTooLong(error: unknown): boolean {
  return hasCode(error, 'context_length_exceeded') || TOO_LONG.test(wordsOf(error));
}

const UNKNOWN_MODEL =
  /model.{0,120}(not (found|exist|available)|n't exist|no such|unknown)|(no such|unknown|invalid) model/i;

/** Whether the server has no model of that name. */
export function isUnknownModel(error: unknown): boolean {
  return hasCode(error, 'model_not_found') || UNKNOWN_MODEL.test(wordsOf(error));
}

const UNSUPPORTED = new RegExp(
  [
    'unsupported',
    'not? support',
    "n't support",
    'not (permitted|allowed)',
    'unrecognized',
    'unknown',
    'unexpected',
    'extra_forbidden',
    'deprecated',
    'only the default',
    'only [\\d.]+ is allowed',
    'may only be set to',
  ].join('|'),
  'i',
);
const UNSUPPORTED_CODES: ErrorCode[] = ['unsupported_parameter', 'unsupported_value', 'unknown_parameter'];

/** Whether the server does not know a parameter, or supports only its default value. False for a value out of range. */
export function isUnsupported(error: unknown, parameter: string): boolean {
  const { param } = fieldsOf(error);
  const words = wordsOf(error);
  const isNamed = param === undefined ? new RegExp(`\\b${parameter}\\b`).test(words) : param === parameter;
  return isNamed && !isTooLong(error) && (hasCode(error, ...UNSUPPORTED_CODES) || UNSUPPORTED.test(words));
}
