/**
 * Where the time of optimize's steps goes: selm_profile.ts WORK.json THREADS; prints one JSON line. It is the real job, with
 * ONNX Runtime's own account of every operator switched on in each session that the job opens.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { LocalEngine } from '../../engine/engine.ts';
import type { Progress } from '../../engine/jobs.ts';
import type { Printed } from '../measurement.ts';
import { PARTS, partOf, type OperatorEvent, type Part } from '../profile.ts';
import type { Work } from '../work.ts';
import { optimizeJob } from './optimize-job.ts';

const [file, threads] = process.argv.slice(2);
const work = JSON.parse(readFileSync(file, 'utf8')) as Work;
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));

/** The runs of each session so far, in the order in which sessions were opened. */
const runs: number[] = [];
const create = ort.InferenceSession.create.bind(ort.InferenceSession) as (
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions,
) => Promise<ort.InferenceSession>;
const profiled = async (model: Uint8Array, options: ort.InferenceSession.SessionOptions) => {
  const session = await create(model, { ...options, enableProfiling: true, profileFilePrefix: join(folder, `session-${runs.length}`) }); // prettier-ignore
  const place = runs.push(0) - 1;
  const [run, release] = [session.run.bind(session) as typeof session.run, session.release.bind(session)];
  session.run = ((...args: Parameters<typeof run>) => {
    runs[place]++;
    return run(...args);
  }) as typeof run;
  session.release = () => {
    session.endProfiling();
    return release();
  };
  return session;
};
ort.InferenceSession.create = profiled as typeof ort.InferenceSession.create;

const now = () => performance.now() / 1000;
const ends: number[] = [];
/** The runs of every session when the first step was over, which is left out: it touches all memory for the first time. */
let before: number[] = [];
const onProgress = ({ unit }: Progress) => {
  if (unit !== 'steps') return;
  if (ends.push(now()) === 1) before = [...runs];
};
const engine = new LocalEngine();
await engine.run('optimize', optimizeJob(work, Number(threads), join(folder, 'out')), {
  onProgress,
  aborted: () => false,
});
await engine.close();

const steps = ends.length - 1;
const seconds = (ends.at(-1)! - ends[0]) / steps;
const profile = Object.fromEntries(PARTS.map((part) => [part, { seconds: 0, flops: 0 }])) as Printed['profile'] &
  object;
const add = (part: Part, microseconds: number, flops = 0) => {
  profile[part].seconds += microseconds / 1e6 / steps;
  profile[part].flops += flops / steps;
};
let inRuns = 0;
for (const [place, skipped] of before.entries()) {
  const name = readdirSync(folder).find((file) => file.startsWith(`session-${place}_`))!;
  const events = JSON.parse(readFileSync(join(folder, name), 'utf8')) as OperatorEvent[];
  const counted = events.filter(({ name }) => name === 'model_run').slice(skipped);
  if (counted.length === 0) continue;
  const total = counted.reduce((sum, { dur }) => sum + dur, 0);
  inRuns += total;
  // Passes come first of what has more than one run a step: the optimizer's session is the one of the last.
  if (place === before.length - 1) {
    add('AdamW', total);
    continue;
  }
  let inOperators = 0;
  for (const event of events) {
    if (event.cat !== 'Node' || !event.name.endsWith('_kernel_time') || event.ts < counted[0].ts) continue;
    if (event.args.op_name === 'Loop') continue;
    const { part, flops } = partOf(event.args, work);
    add(part, event.dur, flops);
    inOperators += event.dur;
  }
  add('between operators', total - inOperators);
}
add('between runs', seconds * steps * 1e6 - inRuns);
rmSync(folder, { recursive: true });
const printed: Printed = { seconds, profile };
console.log(JSON.stringify(printed));
