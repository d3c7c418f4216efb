/** A simulated person who votes on the pages, by the requests that a browser without script sends. */
import { setTimeout } from 'node:timers/promises';
import { uniform } from '../../data/random.ts';
import type { PromptRecord } from '../../data/records.ts';
import { instructions, promptOf } from '../../examples/quickstart/task.ts';
import { checksOf, followsStrictly } from '../../labelers/verifier/verifier.ts';
import { fieldsOf, textsIn } from '../../test/web/voter.ts';
import { choiceBetween } from './voter.ts';

const { training } = instructions();
/** The prompts of the task with their constraints, by the text that people see. */
const prompts = new Map<string, PromptRecord>(training.map((instruction) => [instruction.text, promptOf(instruction)]));

/** What a person has done. */
export interface Votes {
  /** Votes that the page confirmed. */
  confirmed: number;
  /** From sending a vote until the next question is there, in milliseconds. */
  latencies: number[];
}

/**
 * Votes on the questions of a run until it has ended.
 * @param link the person's invitation
 * @param noise the probability that a vote prefers the worse response
 * @param ended aborted when the run has ended
 */
export async function voteOnPages(link: string, run: string, noise: number, ended: AbortSignal): Promise<Votes> {
  const votes: Votes = { confirmed: 0, latencies: [] };
  try {
    await vote(link, run, noise, ended, votes);
  } catch (error) {
    // The pages may fail when the run has ended.
    if (!ended.aborted) throw error;
  }
  return votes;
}

async function vote(link: string, run: string, noise: number, ended: AbortSignal, votes: Votes): Promise<void> {
  const { origin } = new URL(link);
  const joined = await fetch(link, { redirect: 'manual', signal: ended });
  const cookies = joined.headers.getSetCookie().map((one) => one.split(';')[0]);
  const headers = { cookie: cookies.join('; '), origin };
  const get = async (address: string) => (await patiently(address, { headers, signal: ended })).text();
  const page = `${origin}/label/${encodeURIComponent(run)}`;
  const raw = `${page}?view=raw`;
  let html = await get(raw);
  while (!ended.aborted) {
    if (!html.includes('id="question"')) {
      await setTimeout(500, undefined, { signal: ended });
      html = await get(raw);
      continue;
    }
    const body = answerTo(html, noise);
    const began = performance.now();
    const sent = { method: 'POST', redirect: 'manual', headers, body, signal: ended } as const;
    const { status, headers: answered } = await patiently(`${page}/vote`, sent);
    // A vote that is refused came too late: its round has closed.
    if (status === 303) votes.confirmed++;
    html = await get(new URL(answered.get('location') ?? raw, origin).href);
    if (status === 303) votes.latencies.push(performance.now() - began);
  }
}

/** Sends a request again when the pages say so: after too many requests of a person, or while a server is away. */
async function patiently(address: string, request: RequestInit): Promise<Response> {
  for (;;) {
    const response = await fetch(address, request);
    if (response.status < 500 && response.status !== 429) return response;
    const wait = 1000 * Number(response.headers.get('retry-after') ?? 1);
    await setTimeout(wait, undefined, { signal: request.signal ?? undefined });
  }
}

/** The form of the page with the person's answer. */
function answerTo(html: string, noise: number): URLSearchParams {
  const [prompt, a, b] = textsIn(html);
  const checks = checksOf(prompts.get(prompt)!);
  const [first, second] = [a, b].map((text) => {
    const followed = followsStrictly(checks, text).filter(Boolean).length;
    return { score: followed, pass: followed === checks.length };
  });
  const choice = choiceBetween(first, second, uniform('page voter', prompt) < noise);
  const answer = typeof choice === 'string' ? choice : ['left-slightly', 'right-slightly'][choice];
  return new URLSearchParams({ ...fieldsOf(html), answer });
}
