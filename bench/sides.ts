/** The sides: how each one is started, and why a side is missing. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { samplingSchema } from '../engine/protocol/settings.ts';
import { torchEnvironment } from '../engine/torch/environment.ts';
import { engineVersion } from '../engine/version.ts';
import { ENGINES, type Case, type EngineName, type Side } from './cases.ts';
import { measureScript, type Measurement, type Printed } from './measurement.ts';
import { modelFolder } from './models.ts';
import { makeEngine, type Engine } from './peers/engines.ts';
import { makeLlamaCpp, measureLlamaCpp, type EngineFormat, type LlamaCpp } from './peers/llama.ts';
import { makePython, pythonVersions } from './peers/python.ts';
import type { Work } from './work.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

type Outcome = Measurement & Pick<Printed, 'values'>;

/** The sides that can be measured on this machine. */
export interface Sides {
  versions: Record<string, string>;
  /** Why this side of this case cannot be measured. Undefined if it can. */
  missing(given: Case, side: Side): string | undefined;
  measure(given: Case, side: Side, workFile: string): Promise<Outcome>;
}

/** Builds the peers that the cases need. A peer that cannot be built is reported as missing. */
export async function openSides(cases: Case[], threads: number, say: (line: string) => void): Promise<Sides> {
  const needed = new Set(cases.flatMap(({ sides }) => sides));
  const absent: Partial<Record<Side, string>> = {};
  const attempt = async <T>(side: Side, make: () => Promise<T>): Promise<T | undefined> => {
    if (!needed.has(side)) return undefined;
    try {
      return await make();
    } catch (error) {
      absent[side] = `it could not be made here: ${(error as Error).message.split('\n')[0]}`;
      say(`${side} is missing: ${absent[side]}`);
      return undefined;
    }
  };
  const python = (await attempt('pytorch', () => makePython(say))) ?? (await attempt('trl', () => makePython(say)));
  const torch = await attempt('selm torch', async () => torchEnvironment());
  const llama = await attempt('llama.cpp', async () =>
    makeLlamaCpp(python ?? (await makePython(say)), await modelFolder('smollm2'), say),
  );
  const engines: Places['engines'] = {};
  for (const name of ENGINES) {
    const engine = await attempt(name, async () =>
      makeEngine(name, python ?? (await makePython(say)), await modelFolder('smollm2'), say),
    );
    if (engine) engines[name] = engine;
  }
  return {
    versions: {
      selm: engineVersion.replace('selm ', ''),
      ...(python && (await pythonVersions(python))),
      ...(torch && { 'torch of the torch backend': torch.torch }),
      ...(llama && { 'llama.cpp': llama.version }),
      ...Object.fromEntries(Object.entries(engines).map(([name, engine]) => [name, engine.version])),
    },
    missing: ({ size }, side) => {
      if (side === 'trl') return absent.trl ?? absent.pytorch;
      if (side !== 'selm') return absent[side];
      const lacks = size.weights === 'q8' && !('weights' in samplingSchema.shape);
      return lacks ? 'it has no 8-bit weights' : undefined;
    },
    measure: (given, side, file) => start(given, side, file, { python, llama, engines, threads }),
  };
}

interface Places {
  python: string | undefined;
  llama: LlamaCpp | undefined;
  engines: Partial<Record<EngineName, Engine>>;
  threads: number;
}

function start(given: Case, side: Side, file: string, { python, llama, engines, threads }: Places): Promise<Outcome> {
  const { task, size, format, round } = given;
  const ours = (script: string, ...args: string[]) =>
    measureScript(process.execPath, ['--import', tsx, path(script), ...args]);
  if (round) return ours('peers/selm_round.ts', round);
  if (task === 'profile') return ours('peers/selm_profile.ts', file, String(threads));
  if (side === 'selm') return ours('peers/selm_peer.ts', task, file, String(threads));
  if (side === 'selm torch')
    return measureScript(process.execPath, ['--import', tsx, path('peers/selm_torch_peer.ts'), file, String(threads)], {
      family: true,
    });
  if (side === 'trl') return measureScript(python!, [path('peers/trl_peer.py'), file, String(threads)]);
  if (side === 'pytorch') return measureScript(python!, [path('peers/torch_peer.py'), task, file, String(threads)]);
  if (side === 'llama.cpp') {
    const shape = {
      rows: size.prompts!,
      promptTokens: size.promptTokens ?? meanPrompt(file),
      newTokens: size.newTokens!,
    };
    return measureLlamaCpp(llama!, format!, shape, threads);
  }
  const engine = engines[side]!;
  const numbers = format as EngineFormat;
  const args = [path('peers/engine_peer.py'), side, engine.model(numbers), file, String(threads), numbers];
  return measureScript(engine.python, args, { family: true });
}

/** The mean length of a work's prompts, in tokens: llama.cpp's tool takes a length instead of prompts. */
function meanPrompt(file: string): number {
  const { prompts } = JSON.parse(readFileSync(file, 'utf8')) as Work;
  return Math.round(prompts.flat().length / prompts.length);
}
