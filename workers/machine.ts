/** Checks whether this machine has what selm needs. */
import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { installedTemporal } from './temporal-binary.ts';
import { connectClient, hasServer } from './connection.ts';
import { homeFolder } from './places.ts';
import { startEngine } from '../engine/backends.ts';
import { explainMissing, missingAttributes } from './search-attributes.ts';

export interface Check {
  what: string;
  found: string;
  /** The problem and its remedy: one sentence. */
  problem?: string;
}

const OLDEST_NODE = [20, 19];
/** Disk space for a run of a small model with its checkpoints, in bytes. */
const LEAST_DISK = 2e9;

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** Checks Node, ONNX Runtime, CUDA, Temporal, cores, memory and disk of this machine. */
export async function checkMachine(): Promise<Check[]> {
  return [
    node(),
    await onnxruntime(),
    await cuda(),
    temporal(),
    ...(await searchAttributes()),
    { what: 'cores', found: String(availableParallelism()) },
    { what: 'memory', found: gigabytes(totalmem()) },
    disk(),
  ];
}

function node(): Check {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  return {
    what: 'Node',
    found: process.versions.node,
    ...(isOld && { problem: `Node is older than ${OLDEST_NODE.join('.')}: install a newer one.` }),
  };
}

async function onnxruntime(): Promise<Check> {
  const what = 'ONNX Runtime';
  try {
    const { listSupportedBackends } = await import('onnxruntime-node');
    return {
      what,
      found: listSupportedBackends()
        .filter(({ bundled }) => bundled)
        .map(({ name }) => name)
        .join(', '),
    };
  } catch (error) {
    return {
      what,
      found: 'none',
      problem: `onnxruntime-node does not load (${(error as Error).message.split('\n')[0]}): run npm ci again on this machine.`,
    };
  }
}

/** Checks for a GPU in a child process, because an opened GPU stays open. A missing GPU is only a problem with `device: cuda`. */
async function cuda(): Promise<Check> {
  const what = 'CUDA';
  const engine = startEngine();
  try {
    await engine.run('check', { backend: 'torch', device: 'cuda' });
    return { what, found: 'works, for device: cuda' };
  } catch (error) {
    return { what, found: `no: ${(error as Error).message}` };
  } finally {
    await engine.close();
  }
}

function temporal(): Check {
  const what = 'Temporal';
  if (hasServer()) return { what, found: 'a server that the environment names' };
  return { what, found: installedTemporal() ?? 'not yet: the first run fetches it, or builds it with Go' };
}

/** Checks the search attributes of a server that the environment names. Missing ones are not a problem: runs work without them. */
async function searchAttributes(): Promise<Check[]> {
  if (!hasServer()) return [];
  const what = 'search attributes';
  try {
    const client = await connectClient();
    const missing = await missingAttributes(client);
    await client.connection.close();
    const found = missing.length === 0 ? 'registered' : explainMissing(missing, client.options.namespace);
    return [{ what, found }];
  } catch (error) {
    return [{ what, found: `unknown: ${(error as Error).message}` }];
  }
}

function disk(): Check {
  let folder = homeFolder();
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  return {
    what: 'free disk',
    found: `${gigabytes(free)} in ${folder}`,
    ...(free < LEAST_DISK && {
      problem: `${folder} has ${gigabytes(free)} free, less than ${gigabytes(LEAST_DISK)}: make room, or set SELM_HOME.`,
    }),
  };
}
