/**
 * `npm run test:fuzz [-- --cases 10000 --seed 0 --only PARSER]`: inputs with something wrong in them, for every parser. Each case must
 * be read, or be refused in one sentence; a fault is printed with the command that repeats it.
 */
import { scriptFlags } from '../../cli/script-flags.ts';
import { fuzz } from './fuzz.ts';

const values = scriptFlags({
  cases: { type: 'string', default: '10000' },
  seed: { type: 'string', default: '0' },
  only: { type: 'string' },
});
const { only } = values;
const { parsers, faults } = await fuzz({
  cases: Number(values.cases),
  seed: Number(values.seed),
  ...(only !== undefined && { only }),
  say: (line) => console.log(line),
});
console.log(`${values.cases} cases of ${parsers.length} parsers, seed ${values.seed}: ${faults.length} faults.`);
process.exitCode = faults.length === 0 ? 0 : 1;
