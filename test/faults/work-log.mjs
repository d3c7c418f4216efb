/**
 * Loaded into every process of a run (NODE_OPTIONS=--import): where the engine's process tells its parent how far it is, the work
 * it has done is noted in the file WORK_LOG, too. So it is known what was computed, by whatever has died since.
 */
import { appendFileSync } from 'node:fs';

if (process.argv[1]?.match(/engine\/(onnx|torch)\/main\.[jt]s$/) && process.send) {
  const send = process.send.bind(process);
  let job = 0;
  process.send = (message, ...rest) => {
    if (message.type === 'progress') {
      const { unit, done, tokens, metrics, checkpoint } = message.progress;
      const entry = {
        job: `${process.pid}.${job}`,
        unit,
        done,
        tokens,
        trained: metrics !== undefined,
        checkpoint: checkpoint !== undefined,
      };
      appendFileSync(process.env.WORK_LOG, `${JSON.stringify(entry)}\n`);
    } else job++;
    return send(message, ...rest);
  };
}
