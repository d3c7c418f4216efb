/** Client settings for an OpenAI-compatible server: address, key, limits and retries. */
import { z } from 'zod';

const hidden = (message: string) => ({ error: message, params: { hidden: true } });

/** Whether an address has no credentials. Settings are stored in workflow histories and artifacts. */
function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search } = new URL(text);
  return /^https?:$/.test(protocol) && username + password + search === '';
}

export const serverAddress = z
  .string()
  .refine(
    isPlainAddress,
    hidden('expected an address such as http://127.0.0.1:8000/v1, without a password or a query in it'),
  );

/** How requests are sent. Responses do not depend on these settings. */
export const requestSettings = {
  keyVariable: z
    .string()
    .refine(
      (name) => /^[A-Z_][A-Z0-9_]*$/.test(name),
      hidden('expected the name of an environment variable, never a key'),
    )
    .optional()
    .describe('Environment variable with the API key of `server`. Default: OPENAI_API_KEY, if it is set.'),
  concurrency: z.int().positive().default(8).describe('Concurrent requests to `server`, per worker.'),
  requestsPerMinute: z
    .number()
    .positive()
    .optional()
    .describe('Maximum requests to `server` per minute, per worker. Default: no limit.'),
  timeoutSeconds: z.number().positive().max(300).default(120).describe('Timeout of a request to `server`, in seconds.'),
  retries: z
    .int()
    .min(0)
    .default(5)
    .describe(
      'Retries of a request, with exponential backoff, after a lost connection, a timeout, an unreadable response, or status ' +
        '408, 409, 429 or 5xx.',
    ),
};

const OWN_FIELDS = ['model', 'messages', 'temperature', 'max_tokens', 'max_completion_tokens', 'n', 'stream'];

/** Additional fields of a request's body. Fields that selm sets are not allowed. */
export const extraBodySetting = z
  .record(z.string(), z.json())
  .refine(
    (fields) => !OWN_FIELDS.some((field) => field in fields),
    hidden(`expected fields other than ${OWN_FIELDS.join(', ')}, which selm sets`),
  );

/** The request settings as an object. */
export const requestSchema = z.object(requestSettings);

/** A model on a server, with the request settings. */
export interface ServerSettings extends z.input<typeof requestSchema> {
  /** Base URL, which usually ends in `/v1`. */
  url: string;
  model: string;
}
