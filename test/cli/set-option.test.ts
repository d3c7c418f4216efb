/** The option --set as selm prints it, through a real shell. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { setFlag } from '../../cli/set-option.ts';
import { readSetting } from '../../config/set.ts';

it.each([1e-5, 'continue', ['ben'], ["O'Neil", 'a b', '$HOME'], { by: 'verifier' }])(
  'a printed setting is the same after a shell has read it: %j',
  (value) => {
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${setFlag('label.leaveOut', value)}`], {
      encoding: 'utf8',
    });
    const [flag, setting] = words.trimEnd().split('\n');
    expect(flag).toBe('--set');
    expect(readSetting(setting)).toEqual({ 'label.leaveOut': value });
  },
);

it('a plain setting needs no quotes', () => {
  expect(setFlag('optimize.batchSize', 4)).toBe('--set optimize.batchSize=4');
});
