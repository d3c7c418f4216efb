import { InputError } from '../data/errors.ts';

/** Parses the value of `--round`. @throws InputError when it is not a positive integer */
export function readRound(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InputError(`--round ${text} is not a round: give 1, 2, ...`);
}
