/** A request that cannot be served, as the OpenAI API tells of it. */
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { oneSentence } from '../../data/errors.ts';

export class Refused extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string | null;
  readonly param: string | null;

  constructor(status: ContentfulStatusCode, message: string, code: string | null = null, param: string | null = null) {
    super(oneSentence(message));
    this.status = status;
    this.code = code;
    this.param = param;
  }
}
