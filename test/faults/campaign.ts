/** A campaign: many runs of one configuration, each with faults drawn from a seed, all held against an undisturbed one. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { removeUsedFolder } from '../remove-folder.ts';
import { cacheFolder } from '../../workers/places.ts';
import { CHECKPOINT, DAMAGE, FAULTS, FULL_DISK, TORCH, type FaultName } from './faults.ts';
import { faultyRun, stageCount, stagesOf, type Outcome, type RunPlace, type Strike } from './faulty-run.ts';
import { DISKS, type Disk } from './fault.ts';
import { untilUnused } from './processes.ts';

export interface Campaign {
  runs: number;
  seed: number;
  /** Runs at the same time. */
  parallel: number;
  /** For the runs' homes and stores. */
  folder: string;
  /** A run's configuration, without name and output; its paths are absolute. */
  config: { rounds: number; backend?: string } & Record<string, unknown>;
  /** The faults to draw from. Default: all that the runs' backend and disks allow. */
  faults?: FaultName[];
  /** Of each disk of a run: its store lies on one, and what else is to run full; without it no disk runs full. */
  diskMegabytes?: number;
  say: (line: string) => void;
}

interface RunReport extends Outcome {
  /** Whether adapter and results are those of the undisturbed run. */
  same: boolean;
  /** Beyond the undisturbed run's. */
  extraSteps: number;
  extraTokens: number;
  /** Beyond which the work of this run would be more than its faults explain. */
  allowedSteps: number;
  allowedTokens: number;
}

export interface CampaignReport {
  undisturbed: Outcome & { hash: string };
  runs: RunReport[];
}

const MAX_FAULTS = 5;

export async function runCampaign(campaign: Campaign): Promise<CampaignReport> {
  const { runs, seed, parallel, config, say } = campaign;
  const count = stageCount(config.rounds);
  const first = place(campaign, 'undisturbed', []);
  const durations: number[] = Array(count).fill(0);
  let last = Date.now();
  const undisturbed = await faultyRun(first, [], Math.random, (stage) => {
    durations[stage] += Date.now() - last;
    last = Date.now();
  });
  const hash = outputHash(first);
  await free(first);
  say(
    `undisturbed: ${undisturbed.seconds.toFixed(0)} s, ${undisturbed.work.trainingSteps} training steps, ${undisturbed.work.sampledTokens} tokens sampled`,
  );

  const reports: RunReport[] = [];
  let next = 0;
  const lane = async () => {
    while (next < runs) {
      const number = next++;
      const random = mulberry32(seed * 1000 + number);
      const strikes = drawStrikes(campaign, number, durations, random);
      const where = place(campaign, `run-${number}`, strikes);
      const outcome = await faultyRun(where, strikes, random);
      const report = judge(outcome, undisturbed, outputHash(where) === hash);
      reports[number] = report;
      await free(where);
      const { struck, same, seconds, extraSteps, extraTokens, lost } = report;
      say(
        `run ${number + 1}: ${same ? 'same' : 'DIFFERENT'}${lost.length > 0 ? `, LOST ${lost.join('; ')}` : ''}, ${seconds.toFixed(0)} s, +${extraSteps} steps, +${extraTokens} tokens; ${struck.map(({ fault, stage }) => `${fault} @${stage}`).join(', ')}`,
      );
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return { undisturbed: { ...undisturbed, hash }, runs: reports };
}

/** 1 to 5 faults, each at a random moment of a random stage. Over the runs every fault gets its turn, beginning with one of the seed's. */
function drawStrikes(
  { diskMegabytes, seed, config: { rounds, backend }, faults }: Campaign,
  run: number,
  durations: number[],
  random: () => number,
): Strike[] {
  const possible = (Object.keys(FAULTS) as FaultName[]).filter(
    (name) =>
      (FULL_DISK[name] === undefined || diskMegabytes !== undefined) && (backend === 'torch' || !TORCH.includes(name)),
  );
  const names = faults ?? possible;
  const number = 1 + Math.floor(random() * MAX_FAULTS);
  return Array.from({ length: number }, (_, i): Strike => {
    const fault = i === 0 ? names[(seed + run) % names.length] : names[Math.floor(random() * names.length)];
    if (!CHECKPOINT.includes(fault)) {
      const stage = Math.floor(random() * durations.length);
      return { fault, stage, delayMilliseconds: random() * durations[stage] };
    }
    // Checkpoints are there while a policy is trained; in the later half of that the run might get away.
    const stage = stagesOf('optimize', rounds)[Math.floor(random() * rounds)];
    return { fault, stage, delayMilliseconds: (random() * durations[stage]) / 2 };
  });
}

function judge(outcome: Outcome, undisturbed: Outcome, sameOutput: boolean): RunReport {
  const { work, struck, status } = outcome;
  const damages = struck.filter(({ fault }) => [...DAMAGE, ...CHECKPOINT].includes(fault)).length;
  const { trainingSteps, sampledTokens, largestShard } = undisturbed.work;
  const rounds = status.results.length;
  // A finished step that was damaged is done again as a whole: a training, or a shard. So is a training whose checkpoint was damaged: a
  // newer checkpoint replaces the older one.
  const allowedSteps =
    struck.length * Math.max(work.longestInterval, undisturbed.work.longestInterval) +
    damages * Math.ceil(trainingSteps / rounds);
  return {
    ...outcome,
    same: sameOutput && isDeepStrictEqual(status.results, undisturbed.status.results),
    extraSteps: work.trainingSteps - trainingSteps,
    extraTokens: work.sampledTokens - sampledTokens,
    allowedSteps,
    allowedTokens: struck.length * largestShard,
  };
}

type Place = RunPlace & { output: string };

function place({ folder, config, diskMegabytes }: Campaign, name: string, strikes: Strike[]): Place {
  const base = join(folder, name);
  const folderOf = (disk: Disk) => join(base, disk);
  const filled = strikes.flatMap(({ fault }) => FULL_DISK[fault] ?? []);
  // A cache or a TMPDIR of its own costs a run what others find there.
  const own = DISKS.filter((disk) => disk === 'store' || disk === 'home' || filled.includes(disk));
  const mounted = diskMegabytes === undefined ? [] : own.filter((disk) => disk === 'store' || filled.includes(disk));
  for (const disk of own) mkdirSync(folderOf(disk), { recursive: true });
  for (const disk of mounted)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMegabytes}m`, 'tmpfs', folderOf(disk)]);
  const programs = join(cacheFolder(), 'bin');
  if (own.includes('cache') && existsSync(programs)) symlinkSync(programs, join(folderOf('cache'), 'bin'));
  const output = join(base, 'policy');
  const file = join(base, 'run.yaml');
  writeFileSync(file, stringify({ ...config, name, output }));
  return {
    name,
    config: file,
    home: folderOf('home'),
    store: join(folderOf('store'), 'artifacts'),
    notes: base,
    env: {
      ...(own.includes('cache') && { SELM_CACHE: folderOf('cache') }),
      ...(own.includes('TMPDIR') && { TMPDIR: folderOf('TMPDIR') }),
    },
    disks: Object.fromEntries(mounted.map((disk) => [disk, folderOf(disk)])),
    output,
  };
}

async function free({ disks, home }: Place): Promise<void> {
  await untilUnused(home);
  for (const folder of Object.values(disks)) execFileSync('umount', ['--lazy', folder]);
  // Its watcher and workers end a moment after it.
  await removeUsedFolder(home);
}

/** Of everything a run has published but its own name. */
function outputHash({ output }: Place): string {
  const hash = createHash('sha256');
  for (const file of ['adapter_model.safetensors', 'model.safetensors']) {
    try {
      hash.update(readFileSync(join(output, file)));
    } catch {
      // An adapter, or a whole model: never both.
    }
  }
  return hash.digest('hex');
}

/** A small generator of random numbers, the same for a seed on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
