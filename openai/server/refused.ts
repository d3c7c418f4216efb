/** Errors of the server, and the error responses for them. */
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { InputError, oneSentence } from '../../data/errors.ts';
import type { ErrorBody, ErrorCode } from '../schema/errors.ts';

/** The server rejects a request. The response has the HTTP status, and the error code of the OpenAI API if there is one. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: ContentfulStatusCode;
  readonly code: ErrorCode | null;
  readonly param: string | null;

  /** @param param the rejected parameter, if the error is about a parameter */
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

/** The client closed the connection before the response was complete. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** The error to send to the client. Internal errors are logged, and the client gets a general message. */
export function refusalOf(error: Error): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof InputError) return new Refused(400, error.message);
  if (error instanceof HTTPException) return new Refused(error.status, error.message);
  if (error instanceof ClientGone) return new Refused(400, 'The client closed the connection.');
  console.error(`selm: ${error.message}`);
  return new Refused(500, 'The engine failed; try again.');
}

/** The body of an error response, in the format of the OpenAI API. */
export const errorBodyOf = ({ status, message, code, param }: Refused): ErrorBody => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param, code },
});
