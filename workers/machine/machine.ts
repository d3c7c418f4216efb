/** Checks whether this machine has what selm needs. */
import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gigabytes } from '../../engine/bytes.ts';
import { installedTemporal } from '../dev-server/temporal-binary.ts';
import { connectClient, hasServer } from '../temporal/connection.ts';
import { homeFolder } from '../places.ts';
import { InputError } from '../../data/errors.ts';
import { fitsInto } from '../../engine/gpu-estimate.ts';
import { nvidiaGpus, type Gpu } from '../../engine/gpus.ts';
import { PYTHON_FOLDER } from '../../engine/python-environments.ts';
import { torchEnvironment, type TorchEnvironment } from '../../engine/torch/environment.ts';
import { modelNeeds } from './gpu-fit.ts';
import { explainMissing, missingAttributes } from '../temporal/search-attributes.ts';

export interface Check {
  what: string;
  found: string;
  /** The problem and its remedy: one sentence. */
  problem?: string;
}

const OLDEST_NODE = [20, 19];
/** Disk space for a run of a small model with its checkpoints, in bytes. */
const LEAST_DISK = 2e9;

/** Checks Node, ONNX Runtime, PyTorch, GPUs, Temporal, cores, memory and disk of this machine. */
export async function checkMachine(): Promise<Check[]> {
  return [
    node(),
    await onnxruntime(),
    ...(await torch()),
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
    const { default: ort } = await import('../../engine/onnxruntime.ts');
    return {
      what,
      found: ort
        .listSupportedBackends()
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

/** PyTorch with its packages, the GPUs, and what fits on them. Without GPUs, PyTorch need not be installed: backend: onnx is the default. */
async function torch(): Promise<Check[]> {
  const gpus = nvidiaGpus();
  const named = gpus.map(({ name, memory }) => `${name} (${gigabytes(memory)})`);
  return [
    { what: 'GPUs', found: named.length > 0 ? named.join(', ') : 'none that nvidia-smi lists' },
    ...(await packages(gpus.length > 0)),
    ...fitting(gpus),
  ];
}

/** The Python environment, and a small training step on it. */
async function packages(onGpu: boolean): Promise<Check[]> {
  const what = 'PyTorch';
  let environment: TorchEnvironment;
  try {
    environment = torchEnvironment();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message } = error;
    if (onGpu || process.env['SELM_PYTHON'] !== undefined) return [{ what, found: 'none', problem: message }];
    return [{ what, found: 'not installed; needed only for backend: torch (selm torch install)' }];
  }
  const { python, ...versions } = environment;
  const found = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const vllm = versions.vllm === undefined ? ['no vllm, which samples on GPUs (selm torch install --cuda)'] : [];
  const device = onGpu ? 'cuda' : 'cpu';
  const problem = await trainingProblem(python, device);
  return [
    {
      what,
      found: `${[...found, ...vllm].join(', ')}${problem === undefined ? `; trains on ${device}` : ''} (${python})`,
      ...(problem !== undefined && { problem: `PyTorch does not work on ${device}: ${problem}` }),
    },
  ];
}

/** Loading PyTorch from a slow disk takes a minute. */
const CHECK_MILLISECONDS = 300_000;

/** Trains a tiny model for one step (python/selm_torch/check.py). @returns why that failed */
async function trainingProblem(python: string, device: 'cpu' | 'cuda'): Promise<string | undefined> {
  try {
    await promisify(execFile)(python, ['-m', 'selm_torch.check', device], {
      env: { ...process.env, PYTHONPATH: PYTHON_FOLDER, OMP_NUM_THREADS: '1' },
      timeout: CHECK_MILLISECONDS,
    });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return stderr?.trim().split('\n').at(-1) || message;
  }
}

/** The largest of some published models that the estimate says all GPUs together can train. */
function fitting(gpus: Gpu[]): Check[] {
  if (gpus.length === 0) return [];
  const least = Math.min(...gpus.map(({ memory }) => memory));
  const models = modelNeeds(gpus.length);
  const list = (of: 'lora' | 'full') => {
    const fitting = models.filter((model) => fitsInto(model[of], least));
    return fitting.map((model) => `${model.name} (${gigabytes(model[of])} of each GPU)`).join(', ') || 'none';
  };
  return [
    { what: 'fits, LoRA', found: list('lora') },
    { what: 'fits, all weights', found: list('full') },
  ];
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
