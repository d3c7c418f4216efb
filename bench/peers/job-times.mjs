/**
 * Loaded into every process of a round (NODE_OPTIONS=--import): the engine's process notes how long each of its jobs took, in
 * milliseconds, and when it ended, a line each in the file JOB_TIMES. A job begins when its message comes and ends when its result goes.
 */
import { appendFileSync } from 'node:fs';

if (process.argv[1]?.match(/engine\/onnx\/main\.[jt]s$/) && process.send) {
  const send = process.send.bind(process);
  let started = 0;
  // Not before the engine listens itself: whoever listens first is given what has come, and it would be lost to the engine.
  process.once('newListener', function listen(event) {
    if (event !== 'message') return void process.once('newListener', listen);
    process.on('message', ({ type }) => {
      if (type === 'run') started = performance.now();
    });
  });
  process.send = (message, ...rest) => {
    if (message.type !== 'progress')
      appendFileSync(process.env.JOB_TIMES, `${performance.now() - started} ${Date.now()}\n`);
    return send(message, ...rest);
  };
}
