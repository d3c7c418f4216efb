/** Errors that the client of OpenAI-compatible servers throws. Wrong settings (address, key, quota) are an InputError. */
import { InputError } from '../data/errors.ts';

/** All attempts of a request failed. A later request may succeed. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

/** A response that does not match the schema: truncated, from a proxy, or an error message. The request is retried. */
export class UnreadableResponse extends Error {
  override readonly name = 'UnreadableResponse';
}

/** The server rejected this request, for example because it is too long or violates a content policy. Other requests may succeed. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  /** The server's error message. */
  readonly said: string;
  readonly isTooLong: boolean;
  /** The rejected parameter, if the server's error contains it. */
  readonly parameter: string | undefined;

  constructor(message: string, refusal: { said: string; isTooLong: boolean; parameter?: string }) {
    super(message);
    this.said = refusal.said;
    this.isTooLong = refusal.isTooLong;
    this.parameter = refusal.parameter;
  }
}

/** The server has no such path or model: the settings contain a wrong name, or an adapter was unloaded. */
export class NotOnServer extends InputError {
  /** The server's error message. */
  readonly said: string;

  constructor(message: string, said: string) {
    super(message);
    this.said = said;
  }
}
