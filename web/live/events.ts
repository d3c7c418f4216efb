/**
 * Server-sent events: changed sections of a page, so that browsers need not reload it. Events:
 * - `sections`: a list of `{ id, html }`; its id identifies the state of all sections, and comes back as `Last-Event-ID`
 * - `problem`: a sentence; empty when it is over
 * - `end`: the page does not change any more
 */
import type { Context } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import { onStopSignal } from '../../data/stop-signals.ts';
import type { WebEnv } from '../identity.ts';
import { problem } from '../respond.ts';
import { Feed } from './feed.ts';
import { stateOf, type Section, type Snapshot } from './sections.ts';

/** Load balancers and proxies close a connection without data, AWS's after 60 s by default. */
const HEARTBEAT_MS = 15_000;
/** Then the browser connects again, and its rights are checked again. */
const MOST_MS = 15 * 60_000;
/** Each stream needs a socket, a file descriptor and some kilobytes. */
const MOST_STREAMS = 300;

/** Server-sent events: streams of snapshots, a bounded number at a time. */
export class EventStreams {
  /** By the path of the events. */
  readonly #feeds = new Map<string, { feed: Feed; streams: number }>();
  /** Wakes the streams that are open. */
  readonly #open = new Set<() => void>();
  #streams = 0;
  #isStopping = false;
  readonly #most: number;

  /** @param most open streams */
  constructor(most = MOST_STREAMS) {
    this.#most = most;
  }

  /**
   * Answers with the events of a page.
   * @param seconds between two readings of the page
   * @param read reads the page's sections. If it throws for the first browser, so does this function
   */
  async respond(c: Context<WebEnv>, seconds: number, read: () => Promise<Snapshot>): Promise<Response> {
    const { path } = c.req;
    if (this.#streams >= this.#most || this.#isStopping) {
      c.header('Retry-After', '30');
      return problem(
        c,
        503,
        'Too many pages are open for live updates: this page shows changes when you load it again.',
      );
    }
    const entry = this.#feeds.get(path) ?? { feed: new Feed(path, seconds, read), streams: 0 };
    this.#feeds.set(path, entry);
    entry.streams++;
    this.#streams++;
    const release = () => {
      this.#streams--;
      if (--entry.streams === 0) this.#feeds.delete(path);
    };
    const { feed } = entry;
    try {
      await feed.latest();
    } catch (error) {
      release();
      throw error;
    }
    const audience = c.get('identity').roles.includes('operator') ? 'operator' : 'viewer';
    const seen = c.req.header('last-event-id') ?? c.req.query('state');
    // Nginx would hold events back.
    c.header('X-Accel-Buffering', 'no');
    return streamSSE(c, async (stream) => {
      try {
        await this.#send(stream, feed, audience, seen);
      } finally {
        release();
      }
    });
  }

  async #send(stream: SSEStreamingApi, feed: Feed, audience: keyof Snapshot['sections'], seen?: string): Promise<void> {
    let wake: (() => void) | undefined;
    const wakeUp = () => wake?.();
    const unsubscribe = feed.subscribe(wakeUp);
    this.#watch(wakeUp);
    stream.onAbort(wakeUp);
    const writer = new SectionWriter(stream, seen);
    const end = Date.now() + MOST_MS;
    try {
      while (!stream.aborted && !this.#isStopping && Date.now() < end) {
        const woken = new Promise<void>((resolve) => (wake = resolve));
        const { sections, ended } = await feed.latest();
        await writer.write(sections[audience], feed.problem);
        if (ended) return void (await stream.writeSSE({ event: 'end', data: '' }));
        const timer = setTimeout(wakeUp, HEARTBEAT_MS);
        await woken;
        clearTimeout(timer);
      }
    } finally {
      unsubscribe();
      this.#unwatch(wakeUp);
    }
  }

  /** While streams are open, a stop signal ends them: otherwise the server would wait for them. */
  #watch(wake: () => void): void {
    if (this.#open.size === 0) this.#ignoreSignals = onStopSignal(() => this.#stop());
    this.#open.add(wake);
  }

  #unwatch(wake: () => void): void {
    this.#open.delete(wake);
    if (this.#open.size === 0) this.#ignoreSignals();
  }

  #ignoreSignals = () => {};

  #stop(): void {
    this.#isStopping = true;
    // A second signal ends the process at once, as without streams.
    this.#ignoreSignals();
    for (const wake of this.#open) wake();
  }
}

/** Writes what has changed since the last time. */
class SectionWriter {
  readonly #stream: SSEStreamingApi;
  readonly #sent = new Map<string, string>();
  #state: string | undefined;
  #problem = '';
  #wroteAt = Date.now();

  /** @param seen the state that the browser has */
  constructor(stream: SSEStreamingApi, seen?: string) {
    this.#stream = stream;
    this.#state = seen;
  }

  async write(sections: Section[], problem = ''): Promise<void> {
    const state = stateOf(sections);
    if (state !== this.#state) {
      const changed = sections.filter(({ id, content }) => this.#sent.get(id) !== content.text);
      const data = JSON.stringify(changed.map(({ id, content }) => ({ id, html: content.text })));
      await this.#say(this.#stream.writeSSE({ event: 'sections', id: state, data }));
      this.#state = state;
    }
    for (const { id, content } of sections) this.#sent.set(id, content.text);
    if (problem !== this.#problem) await this.#say(this.#stream.writeSSE({ event: 'problem', data: problem }));
    this.#problem = problem;
    if (Date.now() - this.#wroteAt >= HEARTBEAT_MS) await this.#say(this.#stream.write(': still here\n\n'));
  }

  async #say(writing: Promise<unknown>): Promise<void> {
    this.#wroteAt = Date.now();
    await writing;
  }
}
