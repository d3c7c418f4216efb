/** The processes of ranks on this machine: started here, or by torchrun if there are several nodes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Device } from '../protocol/compute.ts';
import { PYTHON_FOLDER } from '../python-environments.ts';
import type { RankEnd } from './failure.ts';
import { torchrunArguments } from './nodes.ts';

/** What ranks are started with. */
export interface RankSettings {
  /** Path or name of the Python interpreter. */
  python: string;
  /** On this node. */
  ranks: number;
  /** More than 1: torchrun starts the ranks of all nodes (nodes.ts). */
  nodes: number;
  device: Device;
  /** Of each rank. */
  threads: number;
}

/** A rank, or the torchrun that has started those of this node. */
interface Rank {
  name: string;
  process: ChildProcess;
  stderr: string;
  isOurs: boolean;
}

/** Characters kept of the end of each rank's stderr: the stacks of its threads must fit. */
const STDERR_KEPT = 20_000;

/** All ranks of this machine. */
export class RankProcesses {
  /** Resolves when all have ended. */
  readonly exited: Promise<unknown>;
  private readonly settings: RankSettings;
  private readonly folder: string;
  private readonly onEnd: () => void;
  private readonly ranks: Rank[];

  /**
   * @param folder for the file by which the ranks find each other
   * @param onEnd is called when one of them has ended
   */
  constructor(settings: RankSettings, folder: string, onEnd: () => void) {
    this.settings = settings;
    this.folder = folder;
    this.onEnd = onEnd;
    this.ranks = settings.nodes > 1 ? [this.startTorchrun()] : this.startRanks();
    this.exited = Promise.all(this.ranks.map(({ process: child }) => new Promise((end) => child.once('close', end))));
  }

  /** Rank 0, or the torchrun that hands its stdin and stdout on to rank 0. */
  get first(): ChildProcess {
    return this.ranks[0].process;
  }

  /** The names of the ranks that a signal such as SIGSTOP has stopped. */
  get stopped(): string[] {
    return this.ranks.flatMap(({ name, process: { pid } }) => (isStopped(pid!) ? [name] : []));
  }

  /** How they ended. */
  get ends(): RankEnd[] {
    return this.ranks.map(({ name, process: { exitCode: code, signalCode: signal }, stderr, isOurs }) => ({
      name,
      code,
      signal,
      isOurs,
      stderr,
    }));
  }

  /** Has each rank write the stacks of its threads to its stderr. torchrun cannot. */
  writeStacks(): void {
    if (this.settings.nodes === 1) for (const { process: child } of this.ranks) child.kill('SIGUSR1');
  }

  /** Kills those that have not ended. */
  kill(): void {
    for (const rank of this.ranks) {
      if (rank.process.exitCode !== null || rank.process.signalCode !== null) continue;
      rank.isOurs = true;
      rank.process.kill('SIGKILL');
    }
  }

  private startRanks(): Rank[] {
    const { ranks } = this.settings;
    const rendezvous = pathToFileURL(join(this.folder, 'rendezvous')).href;
    return Array.from({ length: ranks }, (_, rank) => {
      const own = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: ranks, LOCAL_WORLD_SIZE: ranks };
      const env = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, String(value)]));
      const settings = { ...env, SELM_RENDEZVOUS: rendezvous };
      return this.startProcess(`Rank ${rank} of ${ranks}`, ['-m', 'selm_torch'], settings, rank === 0);
    });
  }

  private startTorchrun(): Rank {
    const { ranks, nodes } = this.settings;
    return this.startProcess(`torchrun of ${nodes} nodes`, torchrunArguments(ranks), {}, true);
  }

  /** @param talks whether it is rank 0, or hands its stdin and stdout on to rank 0 */
  private startProcess(name: string, args: string[], env: Record<string, string>, talks: boolean): Rank {
    const { python, device, threads } = this.settings;
    const { PYTHONPATH } = process.env;
    const channel = talks ? 'pipe' : 'ignore';
    const child = spawn(python, args, {
      env: {
        ...process.env,
        ...env,
        SELM_DEVICE: device,
        OMP_NUM_THREADS: String(threads),
        PYTHONPATH: PYTHONPATH ? `${PYTHON_FOLDER}${delimiter}${PYTHONPATH}` : PYTHON_FOLDER,
      },
      stdio: [channel, channel, 'pipe'],
    });
    const started: Rank = { name, process: child, stderr: '', isOurs: false };
    child.stderr!.on('data', (data) => (started.stderr = `${started.stderr}${data}`.slice(-STDERR_KEPT)));
    child.on('error', (error) => (started.stderr += error.message));
    child.on('close', () => this.onEnd());
    return started;
  }
}

/** Whether a signal such as SIGSTOP has stopped a process (Linux). */
function isStopped(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the state follows it.
    return 'Tt'.includes(status[status.lastIndexOf(')') + 2]);
  } catch {
    return false;
  }
}
