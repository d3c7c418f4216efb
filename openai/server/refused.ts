/** Requests that the server cannot serve, and the errors that it answers them with. */
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { InputError, oneSentence } from '../../data/errors.ts';
import type { ErrorBody, ErrorCode } from '../schema/errors.ts';

export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: ContentfulStatusCode;
  readonly code: ErrorCode | null;
  readonly param: string | null;

  /** @param param the parameter that is not accepted, if it is one */
  constructor(
    status: ContentfulStatusCode,
    message: string,
    code: ErrorCode | null = null,
    param: string | null = null,
  ) {
    super(oneSentence(message));
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** The client closed the connection: nobody reads the response. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** What the client is told of an error. Errors that are not about the request are logged. */
export function refusalOf(error: Error): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof InputError) return new Refused(400, error.message);
  if (error instanceof HTTPException) return new Refused(error.status, error.message);
  if (error instanceof ClientGone) return new Refused(400, 'The client closed the connection.');
  console.error(`selm: ${error.message}`);
  return new Refused(500, 'The engine failed; try again.');
}

export const errorBodyOf = ({ status, message, code, param }: Refused): ErrorBody => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param, code },
});
