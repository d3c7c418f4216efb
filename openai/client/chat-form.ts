/** Which parameters a model's server takes in a chat, learned from its refusals: newer ones want `max_completion_tokens`, some no temperature. */
import type { Message } from '../../data/records.ts';
import { isOfTheRequest } from './errors.ts';
import { isUnsupported } from './refusals.ts';

interface ChatParameters {
  model: string;
  messages: Message[];
  temperature: number;
  maxTokens: number;
}

interface Form {
  limit: 'max_tokens' | 'max_completion_tokens';
  /** Whether the temperature is sent; else it is the server's default. */
  temperature: boolean;
}

// Servers that do not know `max_completion_tokens` ignore it, and would set no limit at all.
const FIRST: Form = { limit: 'max_tokens', temperature: true };

/** By server, model and temperature: one that takes no 0 may take others. Only forms that have been answered. */
const learned = new Map<string, Form>();

/** The form of one request. Each parameter changes once at most, so a request is sent three times at most for its form. */
export class ChatForm {
  private readonly parameters: ChatParameters;
  private readonly key: string;
  private form: Form;
  private readonly changed = new Set<string>();

  constructor(url: string, parameters: ChatParameters) {
    this.parameters = parameters;
    this.key = JSON.stringify([url, parameters.model, parameters.temperature]);
    this.form = learned.get(this.key) ?? FIRST;
  }

  get sendsTemperature(): boolean {
    return this.form.temperature;
  }

  body(): object {
    const { model, messages, temperature, maxTokens } = this.parameters;
    return { model, messages, [this.form.limit]: maxTokens, ...(this.form.temperature && { temperature }) };
  }

  /** Changes the form to one that the server may take. @returns false where its error is about something else */
  adaptTo(error: unknown): boolean {
    if (!isOfTheRequest(error)) return false;
    const { limit } = this.form;
    const isLimit = isUnsupported(error, limit) && this.isFirst('limit');
    // Text Generation Inference takes no 0, and is greedy without a temperature.
    const isTemperature =
      this.form.temperature &&
      (isUnsupported(error, 'temperature') || (this.parameters.temperature === 0 && isNotPositive(error))) &&
      this.isFirst('temperature');
    if (isLimit) this.form = { ...this.form, limit: limit === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens' };
    if (isTemperature) this.form = { ...this.form, temperature: false };
    return isLimit || isTemperature;
  }

  /** The server has answered. Before, a change is only a guess, and no other request takes it over. */
  remember(): void {
    if (this.changed.size > 0) learned.set(this.key, this.form);
  }

  private isFirst(parameter: string): boolean {
    return !this.changed.has(parameter) && Boolean(this.changed.add(parameter));
  }
}

const isNotPositive = (error: unknown) =>
  /temperature\W.*(positive|greater than 0|> ?0)/i.test((error as Error).message);
