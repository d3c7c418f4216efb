/** A process whose ranks train until it is killed; ranks.test.ts checks that the ranks end too. */
import { startEngine } from '../../../engine/backends.ts';
import { referenceCase } from '../reference-case.ts';
import { twoRanks } from './environment.ts';

const job = { ...referenceCase('llama').optimizeJob(process.argv[2], { epochs: 10_000 }), ...twoRanks };
await startEngine().run('optimize', job, { onProgress: ({ metrics }) => metrics && process.send!('training') });
