/** Protects this worker's ECS task from scale-in and replacement while it works. */
import pRetry from 'p-retry';

/** Protection expires unless it is renewed, so that a task whose worker hangs can be stopped. */
const EXPIRES_MINUTES = 60;
const RENEW_MINUTES = 30;
/** Protection stays active between two shards, to limit requests to the agent. */
const LINGER_SECONDS = 5;
const ANSWER_SECONDS = 10;

/** Counts the work in progress and keeps the ECS task protected while there is some. */
export class TaskProtection {
  private readonly url: string;
  private readonly warn: (message: string) => void;
  private readonly lingerSeconds: number;
  private working = 0;
  private isProtected = false;
  private renewal: NodeJS.Timeout | undefined;
  private release: NodeJS.Timeout | undefined;
  /** Requests are sent one at a time. */
  private last: Promise<void> = Promise.resolve();

  /** @param agent the address in ECS_AGENT_URI, which ECS sets in a container */
  constructor(agent: string, warn: (message: string) => void, lingerSeconds = LINGER_SECONDS) {
    this.url = `${agent}/task-protection/v1/state`;
    this.warn = warn;
    this.lingerSeconds = lingerSeconds;
  }

  /** Marks the start of work. @returns a function that marks its end */
  readonly begin = (): (() => void) => {
    this.working++;
    clearTimeout(this.release);
    if (!this.isProtected) this.protect();
    return () => {
      if (--this.working === 0) this.release = setTimeout(() => this.giveUp(), this.lingerSeconds * 1000).unref();
    };
  };

  /** Ends the protection immediately, unless work is in progress. */
  async close(): Promise<void> {
    clearTimeout(this.release);
    if (this.isProtected && this.working === 0) this.giveUp();
    await this.last;
  }

  private protect(): void {
    this.isProtected = true;
    this.put({ ProtectionEnabled: true, ExpiresInMinutes: EXPIRES_MINUTES });
    this.renewal = setInterval(
      () => this.put({ ProtectionEnabled: true, ExpiresInMinutes: EXPIRES_MINUTES }),
      RENEW_MINUTES * 60_000,
    ).unref();
  }

  private giveUp(): void {
    this.isProtected = false;
    clearInterval(this.renewal);
    this.put({ ProtectionEnabled: false });
  }

  private put(state: object): void {
    this.last = this.last
      .then(() => pRetry(() => this.send(state), { retries: 2, minTimeout: 500, unref: true }))
      .catch((error: Error) => {
        this.warn(`The ECS task is not protected as it should be (${error.message}); the work goes on.`);
      });
  }

  private async send(state: object): Promise<void> {
    const signal = AbortSignal.timeout(ANSWER_SECONDS * 1000);
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(this.url, { method: 'PUT', headers, body: JSON.stringify(state), signal });
    const answer = (await response.json()) as { failure?: { Reason?: string }; error?: { Message?: string } };
    const problem = answer.failure?.Reason ?? answer.error?.Message ?? (response.ok ? undefined : response.statusText);
    if (problem !== undefined) throw new Error(problem);
  }
}
