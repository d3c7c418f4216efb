/** The engine's protocol: plain data that any process can load, and errors that keep their class on the way. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import {
  EngineDied,
  EngineError,
  fromErrorMessage,
  JobAborted,
  toErrorMessage,
  TrainingDiverged,
} from '../../engine/protocol/errors.ts';

const root = new URL('../..', import.meta.url);

/** The native libraries (.node) that a process of Node's has loaded after it imported these modules. */
function nativeModules(modules: string[]): string[] {
  const script = `
    for (const module of ${JSON.stringify(modules)}) await import(module);
    process.stdout.write(JSON.stringify(process.report.getReport().sharedObjects));`;
  const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  });
  return (JSON.parse(output) as string[]).filter((file) => file.endsWith('.node'));
}

// watcher.ts is an entry point: it starts a program.
const modulesIn = (folder: string) =>
  readdirSync(new URL(folder, root))
    .filter((file) => file.endsWith('.ts') && file !== 'watcher.ts')
    .map((file) => new URL(`${folder}/${file}`, root).href);

test('loading the protocol, the tokenizers and model files loads no native module', () => {
  const folders = ['engine/protocol', 'engine/process', 'engine/tokenizer', 'engine/model-files', 'engine/tokens'];
  expect(nativeModules(folders.flatMap(modulesIn))).toEqual([]);
});

test('loading the ONNX backend loads one: this test would see it', () => {
  const loaded = nativeModules([new URL('engine/onnx/session.ts', root).href]);
  expect(loaded).toEqual([expect.stringContaining('onnxruntime')]);
});

describe('an error crosses the process boundary', () => {
  test.each([
    new InputError('The file is empty: give another one.'),
    new JobAborted('training was stopped after 1 of 2 steps'),
    new TrainingDiverged('Training diverged at step 3.'),
    new EngineDied('Rank 1 of 2 was killed.'),
  ])('$name keeps its class and message', (error) => {
    // As the channel copies it.
    const received = fromErrorMessage(structuredClone(toErrorMessage(error)));
    expect(received).toBeInstanceOf(error.constructor);
    expect(received.message).toBe(error.message);
  });

  test('a fault of the program keeps its message and stack', () => {
    const fault = new TypeError('x is not a function');
    const received = fromErrorMessage(structuredClone(toErrorMessage(fault)));
    expect(received).toMatchObject({ message: fault.message, stack: fault.stack });
    expect(received).not.toBeInstanceOf(EngineError);
  });
});

test('the ways in which a job ends without a result are engine errors, and bad input is none', () => {
  for (const kind of [JobAborted, TrainingDiverged, EngineDied]) expect(new kind('why')).toBeInstanceOf(EngineError);
  expect(new InputError('why')).not.toBeInstanceOf(EngineError);
});
