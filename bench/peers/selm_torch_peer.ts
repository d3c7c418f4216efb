/** selm's torch backend on the CPU: selm_torch_peer.ts WORK.json THREADS. Prints one JSON line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../engine/backends.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import type { Printed } from '../measurement.ts';
import type { Work } from '../work.ts';
import { pairsJob } from './optimize-job.ts';

const [file, threadsText] = process.argv.slice(2);
const work = JSON.parse(readFileSync(file, 'utf8')) as Work;
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
const engine = startEngine();
const now = () => performance.now() / 1000;

const ends: number[] = [];
const onProgress = ({ metrics }: Progress) => {
  if (metrics && metrics.step > ends.length) ends.push(now());
};
const job = { ...pairsJob(work, Number(threadsText), join(folder, 'out')), backend: 'torch', device: 'cpu' } as const;
const started = now();
const { metrics } = await engine.run('optimize', job, { onProgress });
const printed: Printed = {
  seconds: (ends.at(-1)! - ends[0]) / (ends.length - 1),
  jobSeconds: now() - started,
  values: metrics.map(({ loss }) => loss),
};
await engine.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify(printed));
