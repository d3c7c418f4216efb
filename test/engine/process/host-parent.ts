/** A process that lets an engine train until somebody ends it: what happens to the engine then, host.test.ts looks at. */
import { referenceCase } from '../reference-case.ts';
import { startEngine } from '../../../engine/backends.ts';

const job = referenceCase('llama').optimizeJob(process.argv[2], { epochs: 1_000_000 });
await startEngine().run('optimize', job, { onProgress: ({ metrics }) => metrics && process.send!('training') });
