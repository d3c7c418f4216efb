/** Errors of OpenAI-compatible servers, as the client reports them. Wrong settings (address, key, quota) are an InputError. */
import { InputError } from '../data/errors.ts';

/** The server did not answer as it should, after all retries. A later attempt may succeed. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

/** A response that is not what was requested: cut short, written by a proxy, or reporting an error. The request is retried. */
export class UnreadableResponse extends Error {
  override readonly name = 'UnreadableResponse';
}

/** The server rejected this one request: it is too long for the model, against its rules, … Others may be answered. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  /** The server's own words. */
  readonly said: string;
  readonly isTooLong: boolean;
  /** The rejected parameter, where the server names one. */
  readonly parameter: string | undefined;

  constructor(message: string, refusal: { said: string; isTooLong: boolean; parameter?: string }) {
    super(message);
    this.said = refusal.said;
    this.isTooLong = refusal.isTooLong;
    this.parameter = refusal.parameter;
  }
}

/** The server has no such path or model: a wrong name in the settings, or an adapter that was unloaded. */
export class NotOnServer extends InputError {
  /** The server's own words. */
  readonly said: string;

  constructor(message: string, said: string) {
    super(message);
    this.said = said;
  }
}
