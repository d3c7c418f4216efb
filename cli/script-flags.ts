/** The flags of the project's scripts, such as `npm run bench`. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { InputError } from '../data/errors.ts';
import { BAD_INPUT } from '../data/exit-codes.ts';
import { report } from './errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Reads the flags of a script. Ends it with one sentence and exit code 2 if another flag or an argument is given. */
export function scriptFlags<const T extends Options>(options: T) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    // Node.js adds advice on positional arguments, which the scripts do not have.
    const [problem] = (error as Error).message.split('. ');
    const names = Object.keys(options).map((name) => `--${name}`);
    report(new InputError(`${problem.replace(/\.$/, '')}; the flags are ${names.join(', ')}.`));
    process.exit(BAD_INPUT);
  }
}
