/** The process in which the fuzzer's cases are read: whatever they do to it, the parent goes on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inputOf } from './mutate.ts';
import { faultOf, keepStrayErrors } from './outcome.ts';
import { openParsers } from './parsers/index.ts';

export type ParentMessage = { case: { parser: string; seed: number } } | { measure: true };
export type ChildMessage = { parsers: string[] } | { fault: string | undefined } | { megabytes: number };

const folder = mkdtempSync(join(tmpdir(), 'selm-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.on('disconnect', () => process.exit());
// What parsers warn of is not the point here.
for (const level of ['log', 'debug', 'warn', 'error'] as const) console[level] = () => {};
process.removeAllListeners('warning');
process.on('warning', () => {});
keepStrayErrors();

const parsers = await openParsers(folder);
const send = (message: ChildMessage) => process.send!(message);

process.on('message', (message: ParentMessage) => {
  if ('measure' in message) return send({ megabytes: measure() });
  const { parser, seed } = message.case;
  void faultOf(parsers[parser], inputOf(parsers[parser], seed, parser)).then((fault) => send({ fault }));
});
send({ parsers: Object.keys(parsers) });

/** What is still reachable. */
function measure(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
