/** Parses and validates requests. Requests with unknown or unsupported fields are rejected. */
import { randomInt } from 'node:crypto';
import type { Context } from 'hono';
import type { z } from 'zod';
import { checkDepth } from '../../data/json.ts';
import type { ChatRequest } from '../schema/chat.ts';
import type { CompletionRequest } from '../schema/completions.ts';
import { UNSUPPORTED } from '../schema/unsupported.ts';
import type { Models } from './models.ts';
import { ClientGone, Refused } from './refused.ts';
import type { Responder, ResponseSettings } from './responder.ts';

/**
 * Parses the body of a request.
 * @throws Refused for the first error in the body, with a message in the style of the OpenAI API
 */
export async function readRequest<S extends z.ZodType>(c: Context, schema: S): Promise<z.output<S>> {
  const body: unknown = await c.req.json().catch((error: unknown) => {
    // Reading the body fails with another error if the client closed the connection.
    throw error instanceof SyntaxError ? new Refused(400, 'The body is not JSON.') : new ClientGone();
  });
  checkDepth(body, 'The body');
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw refusalOf(result.error.issues[0]);
}

function refusalOf(issue: z.core.$ZodIssue): Refused {
  const parameter = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => (parameter ? `${parameter}.${key}` : key));
    const problem = `Unrecognized request argument${names.length > 1 ? 's' : ''} supplied: ${names.join(', ')}`;
    return new Refused(400, problem, 'unknown_parameter', names[0]);
  }
  if (issue.code === 'custom' && issue.params === UNSUPPORTED) {
    const kind = issue.message.startsWith('is not supported') ? 'parameter' : 'value';
    return new Refused(400, `Unsupported ${kind}: '${parameter}' ${issue.message}`, `unsupported_${kind}`, parameter);
  }
  const problem = parameter ? `"${parameter}" is not valid: ${issue.message}.` : `${issue.message}.`;
  return new Refused(400, problem, null, parameter || null);
}

type Request = CompletionRequest | ChatRequest;

/**
 * The responder of the requested model.
 * @throws Refused when there is no such model, or `stop_token_ids` contains other tokens than the model's end-of-turn tokens
 */
export function responderOf(models: Models, { model, stop_token_ids: ids }: Request): Responder {
  const responder = models.responder(model);
  const other = ids.find((id) => !responder.endsWith(id));
  if (other === undefined) return responder;
  throw new Refused(
    400,
    `Unsupported value: 'stop_token_ids' does not support ${other} with this model. ` +
      'Only its end-of-turn tokens are supported; use stop.',
    'unsupported_value',
    'stop_token_ids',
  );
}

/** The settings that completion and chat requests share. The seed is random if the request has none. */
export function settingsOf(
  c: Context,
  { n, temperature, top_p, top_k, seed, stop }: Request,
): Omit<ResponseSettings, 'maxTokens' | 'echo' | 'scored'> {
  const gone = new AbortController();
  const abort = () => gone.abort(new ClientGone());
  const { signal } = c.req.raw;
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return {
    n,
    temperature,
    topP: top_p,
    topK: top_k,
    seed: seed ?? (temperature === 0 ? 0 : randomInt(2 ** 32)),
    stop,
    signal: gone.signal,
  };
}
