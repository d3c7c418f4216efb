/** The faults of the campaign: failures of machines, disks, servers and operators. */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage } from './garbage.ts';
import type { Disk, Fault, Target } from './fault.ts';
import { descendantsOf, signal } from './processes.ts';
import { readServer } from './server.ts';
import { leaveStrays } from './strays.ts';

const below = ({ pid }: Target, pattern: RegExp) =>
  descendantsOf(pid).find(({ command }) => pattern.test(command))?.pid;

// From the sources or from the compiled package.
const GPU_WORKER = /workers\/main\.[jt]s gpu/;
const CONTROL_WORKER = /workers\/main\.[jt]s control/;
const ONNX_ENGINE = /engine\/onnx\/main\.[jt]s/;
const TORCH_ENGINE = /engine\/torch\/main\.[jt]s/;
const RANK = /-m selm_torch/;

const killAll: Fault = ({ pid, home }) => {
  const pids = [readServer(home)?.pid, pid, ...descendantsOf(pid).map((process) => process.pid)];
  return pids.map((each) => signal(each, 'SIGKILL')).some(Boolean);
};

const killGpuWorker: Fault = (target) => signal(below(target, GPU_WORKER), 'SIGKILL');

/** Files below a folder of the store, without manifests: those name what they should be. */
function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => statSync(file).size > 0);
  } catch {
    return [];
  }
}

function pick<T>(items: T[], random: () => number): T | undefined {
  return items[Math.floor(random() * items.length)];
}

function flipByte(file: string, random: () => number): void {
  const bytes = readFileSync(file);
  bytes[Math.floor(random() * bytes.length)] ^= 0x10;
  writeFileSync(file, bytes);
}

const cutShort = (file: string, random: () => number) => truncateSync(file, Math.floor(random() * statSync(file).size));

/** Damages a file, then restarts the worker, which may have it in memory. */
const spoil =
  (folder: 'objects' | 'checkpoints', how: (file: string, random: () => number) => void): Fault =>
  async (target) => {
    const file = pick(filesBelow(join(target.store, folder)), target.random);
    if (file === undefined) return false;
    try {
      how(file, target.random);
    } catch {
      // A checkpoint that has just been replaced.
      return false;
    }
    const [, address] = /\/objects\/([0-9a-f]{64})\//.exec(file) ?? [];
    if (address !== undefined) target.damaged(address);
    await killGpuWorker(target);
    return true;
  };

const FULL_MILLISECONDS = 2500;

/** Nothing can be written for a while. Only where there is a disk of its own. */
const fillDisk = (disk: Disk) => async (target: Target) => {
  const filler = join(target.disks[disk]!, 'filler');
  const file = openSync(filler, 'w');
  try {
    const chunk = Buffer.alloc(1 << 20);
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
  await sleep(FULL_MILLISECONDS);
  rmSync(filler);
  return true;
};

const UNREADABLE_MILLISECONDS = 5000;

/** Reads of the store fail for a while: see read-errors.mjs. */
const failReads = (code: string) => async (target: Target) => {
  const control = target.env['READ_ERRORS'];
  const failed = () => statSync(`${control}.log`, { throwIfNoEntry: false })?.size ?? 0;
  const before = failed();
  writeFileSync(control, code);
  await sleep(UNREADABLE_MILLISECONDS);
  rmSync(control);
  return failed() > before;
};

const STOPPED_MILLISECONDS = 12_000;

/** The server does not answer for a while, and lives. */
const stopServer: Fault = async ({ home }) => {
  const pid = readServer(home)?.pid;
  if (!signal(pid, 'SIGSTOP')) return false;
  await sleep(STOPPED_MILLISECONDS);
  signal(pid, 'SIGCONT');
  return true;
};

export const FAULTS = {
  'kill -9 of the GPU worker': killGpuWorker,
  'kill -9 of the control worker': (target: Target) => signal(below(target, CONTROL_WORKER), 'SIGKILL'),
  "kill -9 of the engine's process": (target: Target) =>
    signal(below(target, TORCH_ENGINE) ?? below(target, ONNX_ENGINE), 'SIGKILL'),
  'kill -9 of the Temporal server': ({ home }: Target) => signal(readServer(home)?.pid, 'SIGKILL'),
  'kill -9 of everything': killAll,
  'SIGTERM to the GPU worker (spot)': (target: Target) => signal(below(target, GPU_WORKER), 'SIGTERM'),
  'Ctrl-C': ({ pid }: Target) => signal(pid, 'SIGINT'),
  'artifact altered': spoil('objects', flipByte),
  'artifact cut short': spoil('objects', cutShort),
  'checkpoint altered': spoil('checkpoints', flipByte),
  'checkpoint cut short': spoil('checkpoints', cutShort),
  'SIGSTOP of the Temporal server for 12 s': stopServer,
  'EACCES on reading the store': failReads('EACCES'),
  'EIO on reading the store': failReads('EIO'),
  'ESTALE on reading the store': failReads('ESTALE'),
  'EMFILE on reading the store': failReads('EMFILE'),
  "stray and empty files in the store's folders": leaveStrays,
  'selm gc --delete --keep-days 0 in a loop': collectGarbage,
  'disk full: store': fillDisk('store'),
  'disk full: home and database': fillDisk('home'),
  'disk full: TMPDIR': fillDisk('TMPDIR'),
  'disk full: cache': fillDisk('cache'),
  'kill -9 of a rank': (target: Target) => signal(below(target, RANK), 'SIGKILL'),
} satisfies Record<string, Fault>;
export type FaultName = keyof typeof FAULTS;

/** Faults that need a disk of its own. */
export const FULL_DISK: Partial<Record<FaultName, Disk>> = {
  'disk full: store': 'store',
  'disk full: home and database': 'home',
  'disk full: TMPDIR': 'TMPDIR',
  'disk full: cache': 'cache',
};

/** Faults of runs with the torch backend. */
export const TORCH: FaultName[] = ['kill -9 of a rank'];

/** Faults after which a finished step may have to be done again as a whole. */
export const DAMAGE: FaultName[] = ['artifact altered', 'artifact cut short'];

/** Faults of what is only there while a policy is trained. */
export const CHECKPOINT: FaultName[] = ['checkpoint altered', 'checkpoint cut short'];
