/** Enables ONNX Runtime's profiling of operators in each session of this process. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from '../../engine/onnxruntime.ts';
import type { OperatorEvent } from '../profile.ts';

const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));

/** The number of runs of each session so far, in the order in which the sessions were opened. */
export const runs: number[] = [];

const create = ort.InferenceSession.create.bind(ort.InferenceSession) as (
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions,
) => Promise<ort.InferenceSession>;
const profiled = async (model: Uint8Array, options: ort.InferenceSession.SessionOptions) => {
  const session = await create(model, {
    ...options,
    enableProfiling: true,
    profileFilePrefix: join(folder, `session-${runs.length}`),
  });
  const index = runs.push(0) - 1;
  const [run, release] = [session.run.bind(session) as typeof session.run, session.release.bind(session)];
  session.run = ((...args: Parameters<typeof run>) => {
    runs[index]++;
    return run(...args);
  }) as typeof run;
  session.release = () => {
    session.endProfiling();
    return release();
  };
  return session;
};
ort.InferenceSession.create = profiled as typeof ort.InferenceSession.create;

/**
 * Reads the profile of a closed session without its first `skipped` runs.
 * @returns the total time of its runs (microseconds), and the events of their operators
 */
export function accountOf(index: number, skipped: number): { total: number; operators: OperatorEvent[] } {
  const name = readdirSync(folder).find((file) => file.startsWith(`session-${index}_`))!;
  const events = JSON.parse(readFileSync(join(folder, name), 'utf8')) as OperatorEvent[];
  const counted = events.filter(({ name }) => name === 'model_run').slice(skipped);
  const from = counted[0]?.ts ?? Infinity;
  return {
    total: counted.reduce((sum, { dur }) => sum + dur, 0),
    // Excludes loops, because the operators inside them have their own events.
    operators: events.filter(
      ({ cat, name, ts, args }) =>
        cat === 'Node' && name.endsWith('_kernel_time') && ts >= from && args.op_name !== 'Loop',
    ),
  };
}

/** Removes the files of the profiles. */
export const forgetAccounts = (): void => rmSync(folder, { recursive: true });
