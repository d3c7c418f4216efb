/**
 * A run of the quickstart whose labels are votes given on the pages: `selm run` and `selm ui --label` as users start them, and simulated
 * people who vote over HTTP.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { Prepared } from '../../examples/quickstart/prepare.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { BETA } from '../study/methods.ts';
import { voteOnPages, type Votes } from './page-voter.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const selm = path('../../cli/selm.js');

const RUN = 'through-pages';
const PEOPLE = 5;

export interface PagesSettings {
  strategy: string;
  rounds: number;
  votes: number;
  noise: number;
  epochs: number;
}

/** What a run through the pages shows. */
export interface PagesResult extends PagesSettings {
  people: number;
  /** The strict pass rate on the held-out prompts: of the start policy, and after each round. */
  strictPassRates: number[];
  preferences: number[];
  /** Votes that the pages confirmed, and votes in the labels of all rounds. */
  confirmed: number;
  counted: number;
  /** Milliseconds from a vote to the next question: the median and the 95th percentile. */
  latency: { median: number; p95: number };
  seconds: number;
}

/** @param home a folder for the run's state, which is emptied */
export async function runThroughPages(settings: PagesSettings, prepared: Prepared, home: string): Promise<PagesResult> {
  rmSync(home, { recursive: true, force: true });
  const env = { ...process.env, SELM_HOME: home };
  const config = join(home, '..', `${RUN}.yaml`);
  writeFileSync(config, stringify(configOf(settings, prepared)));
  const began = performance.now();
  const run = spawn(process.execPath, [selm, 'run', config, '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new AbortController();
  const status = outputOf(run).finally(() => ended.abort());
  let pages: ChildProcess | undefined;
  try {
    // The pages show the runs of a server that has some.
    await Promise.race([isRunning(env), status]);
    pages = spawn(process.execPath, [selm, 'ui', '--label', '--port', '0'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const address = await addressOf(pages);
    const links = await Promise.all(Array.from({ length: PEOPLE }, (_, i) => invite(`person-${i + 1}`, address, env)));
    const voters = links.map((link) => voteOnPages(link, RUN, settings.noise, ended.signal));
    const [output, ...voted] = await Promise.all([status, ...voters]);
    // The last line of `selm run --json`.
    const { start, results } = JSON.parse(output.trim().split('\n').at(-1)!) as RunStatus;
    return {
      ...settings,
      people: PEOPLE,
      strictPassRates: [start!, ...results.map(({ evaluation }) => evaluation)].map((one) => one.strictPassRate!),
      preferences: results.map(({ label }) => label.preferences),
      ...summaryOf(voted),
      counted: results.reduce((sum, { label }) => sum + (label.counts?.['votes'] ?? 0), 0),
      seconds: Math.round((performance.now() - began) / 1000),
    };
  } finally {
    for (const child of [pages, run]) if (child?.exitCode === null) child.kill();
  }
}

function configOf({ strategy, rounds, votes, epochs }: PagesSettings, { model, train, heldOut }: Prepared): object {
  const quickstart = parse(readFileSync(path('../../examples/quickstart/config.yaml'), 'utf8')) as {
    [section in 'prompts' | 'optimize' | 'evaluate']: object;
  };
  return {
    ...quickstart,
    name: RUN,
    model,
    prompts: { ...quickstart.prompts, train, heldOut },
    rounds,
    label: { by: 'people', votes, strategy, overlap: 0, randomShare: 0, repeatShare: 0 },
    optimize: { ...quickstart.optimize, epochs, objective: { name: 'dpo', beta: BETA } },
    evaluate: { ...quickstart.evaluate, labeler: { by: 'verifier' } },
    output: undefined,
  };
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout!.on('data', (chunk: Buffer) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`selm run ended with code ${code}.`);
  return output;
}

async function isRunning(env: NodeJS.ProcessEnv): Promise<void> {
  for (;;) {
    try {
      await promisify(execFile)(process.execPath, [selm, 'status', RUN], { env });
      return;
    } catch {
      await setTimeout(1000);
    }
  }
}

async function addressOf(pages: ChildProcess): Promise<string> {
  for await (const line of createInterface(pages.stdout!)) {
    const [address] = /http:\S+/.exec(line) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error('selm ui ended before it served the pages.');
}

async function invite(person: string, url: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [selm, 'label', 'invite', person, '--url', url], {
    env,
  });
  return stdout.trim();
}

function summaryOf(people: Votes[]): Pick<PagesResult, 'confirmed' | 'latency'> {
  const latencies = people.flatMap((person) => person.latencies).sort((a, b) => a - b);
  const at = (share: number) => Math.round(latencies[Math.floor(share * (latencies.length - 1))] ?? NaN);
  return {
    confirmed: people.reduce((sum, { confirmed }) => sum + confirmed, 0),
    latency: { median: at(0.5), p95: at(0.95) },
  };
}
