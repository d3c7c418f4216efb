/** A process whose engine trains until the process is killed; host.test.ts checks that the engine ends too. */
import { referenceCase } from '../reference-case.ts';
import { startEngine } from '../../../engine/backends.ts';

const job = referenceCase('llama').optimizeJob(process.argv[2], { epochs: 1_000_000 });
await startEngine().run('optimize', job, { onProgress: ({ metrics }) => metrics && process.send!('training') });
