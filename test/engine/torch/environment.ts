/** Tests of the torch backend run where there is a Python environment for it (`selm torch install`, or SELM_PYTHON). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe } from 'vitest';
import { torchEnvironment } from '../../../engine/torch/environment.ts';
import type { ComputeSettings } from '../../../engine/protocol/compute.ts';

function isInstalled(): boolean {
  try {
    torchEnvironment();
    return true;
  } catch (error) {
    console.warn(`Skipped: ${(error as Error).message}`);
    return false;
  }
}

export const describeTorch = describe.skipIf(!isInstalled());

/** Two ranks on this machine's CPU. */
export const twoRanks = { backend: 'torch', device: 'cpu', gpus: 2, threads: 1 } satisfies ComputeSettings;

const childrenOf = (parent: number): { pid: number; args: string }[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid]) => Number(ppid) === parent)
    .map(([pid, , ...args]) => ({ pid: Number(pid), args: args.join(' ') }));

/** Ids of the torch backend's processes that are children of `parent`. */
export const backendsOf = (parent: number): number[] =>
  childrenOf(parent).flatMap(({ pid, args }) => (args.includes('engine/torch/main.') ? [pid] : []));

/** Ids of the ranks of a backend's process, by rank. */
export function ranksOf(backend: number): number[] {
  const ranks: number[] = [];
  for (const { pid, args } of childrenOf(backend)) {
    if (!args.includes('selm_torch')) continue;
    const [, rank] = /(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))!;
    ranks[Number(rank)] = pid;
  }
  return ranks;
}

export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** The files of a folder and their bytes. */
export const filesIn = (folder: string): [string, string][] =>
  readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(`${folder}/${name}`).toString('base64')]);
