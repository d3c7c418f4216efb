/** A job's progress on a terminal; silent where nobody watches. */
import { SingleBar } from 'cli-progress';
import type { Progress } from '../engine/protocol/jobs.ts';

export interface ProgressDisplay {
  update: (progress: Progress) => void;
  stop: () => void;
}

/** @param title what is being done, as in 'sample' */
export function showProgress(title: string): ProgressDisplay {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: `${title.padEnd(9)} {bar} {value}/{total} {unit}  {rate} tok/s  ETA {eta_formatted}{loss}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  const started = performance.now();
  let running = false;
  return {
    update({ done, total, unit, tokens, metrics }) {
      const payload = {
        unit,
        rate: Math.round(tokens / ((performance.now() - started) / 1000)),
        loss: metrics ? `  loss ${metrics.loss.toFixed(4)}` : '',
      };
      if (running) bar.update(done, payload);
      else bar.start(total, done, payload);
      running = true;
    },
    stop: () => running && bar.stop(),
  };
}
