/**
 * Adapts request parameters to a server, based on its errors: newer models require `max_completion_tokens`, and some accept no
 * temperature.
 */
import type { Message } from '../../data/records.ts';
import type { ChatBody } from '../schema/chat.ts';
import { isOfTheRequest } from './explain.ts';
import { isUnsupported } from './refusals.ts';

interface ChatParameters {
  model: string;
  messages: Message[];
  temperature: number;
  maxTokens: number;
}

interface Form {
  limit: 'max_tokens' | 'max_completion_tokens';
  /** Whether the request has a temperature. If not, the server uses its default. */
  temperature: boolean;
}

// Tries the old name first: servers that do not know `max_completion_tokens` ignore it and generate without a limit.
const FIRST: Form = { limit: 'max_tokens', temperature: true };

/**
 * Forms that a server has accepted. The key contains the server, the model and the temperature, because a server that rejects 0 may
 * accept other temperatures.
 */
const learned = new Map<string, Form>();

/** The form of one request. Each parameter changes at most once, so a request has at most three forms. */
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

  body(): ChatBody {
    const { model, messages, temperature, maxTokens } = this.parameters;
    return { model, messages, [this.form.limit]: maxTokens, ...(this.form.temperature && { temperature }) };
  }

  /** Changes the form to one that the server may accept. @returns false if the error has another cause */
  adaptTo(error: unknown): boolean {
    if (!isOfTheRequest(error)) return false;
    const { limit } = this.form;
    const isLimit = isUnsupported(error, limit) && this.isFirst('limit');
    // Text Generation Inference rejects a temperature of 0 and uses greedy decoding if the request has no temperature.
    const isTemperature =
      this.form.temperature &&
      (isUnsupported(error, 'temperature') || (this.parameters.temperature === 0 && isNotPositive(error))) &&
      this.isFirst('temperature');
    if (isLimit) this.form = { ...this.form, limit: limit === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens' };
    if (isTemperature) this.form = { ...this.form, temperature: false };
    return isLimit || isTemperature;
  }

  /** Saves the form for later requests. Called when the server has accepted it. */
  remember(): void {
    if (this.changed.size > 0) learned.set(this.key, this.form);
  }

  private isFirst(parameter: string): boolean {
    return !this.changed.has(parameter) && Boolean(this.changed.add(parameter));
  }
}

const isNotPositive = (error: unknown) =>
  /temperature\W.*(positive|greater than 0|> ?0)/i.test((error as Error).message);
