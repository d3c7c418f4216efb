/** Settings of whatever asks an OpenAI-compatible server: where it is, and how hard it may be asked. */
import { z } from 'zod';

const hidden = (message: string) => ({ error: message, params: { hidden: true } });

/** An address with a password in it would be kept wherever settings are kept. */
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

/** How a server is asked. None of it has a say in what it answers. */
export const requestSettings = {
  keyVariable: z
    .string()
    .refine(
      (name) => /^[A-Z_][A-Z0-9_]*$/.test(name),
      hidden('expected the name of an environment variable, never a key'),
    )
    .optional()
    .describe('Environment variable that holds the key of `server`. Default: OPENAI_API_KEY, where it is set.'),
  concurrency: z.int().positive().default(8).describe('Requests to `server` at the same time, of one worker.'),
  requestsPerMinute: z
    .number()
    .positive()
    .optional()
    .describe('Most requests to `server` a minute, of one worker. Default: what it takes.'),
  timeoutSeconds: z
    .number()
    .positive()
    .max(300)
    .default(120)
    .describe('Seconds within which `server` must have answered a request.'),
  retries: z
    .int()
    .min(0)
    .default(5)
    .describe(
      'How often a request is sent again, with growing pauses, after a lost connection, a timeout, an answer that cannot be read or the statuses 408, 409, 429 and 5xx.',
    ),
};

const OWN_FIELDS = ['model', 'messages', 'temperature', 'max_tokens', 'max_completion_tokens', 'n', 'stream'];

/** Fields of a request's body beside those that selm sets, which have settings of their own or none. */
export const extraBodySetting = z
  .record(z.string(), z.json())
  .refine(
    (fields) => !OWN_FIELDS.some((field) => field in fields),
    hidden(`expected fields other than ${OWN_FIELDS.join(', ')}, which selm sets`),
  );

export const requestSchema = z.object(requestSettings);

export interface ServerSettings extends z.input<typeof requestSchema> {
  /** What comes before `/chat/completions`: it usually ends in `/v1`. */
  url: string;
  model: string;
}
