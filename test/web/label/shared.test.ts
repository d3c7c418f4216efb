import { expect, it } from 'vitest';
import { shared } from '../../../web/label/shared.ts';

it('those who ask while work is done share the next time, by key, also after a failure', async () => {
  const begun: string[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const ask = shared(
    (key: string) => {
      begun.push(key);
      const number = begun.length;
      return new Promise<number>((found, failed) => ends.push((error) => (error ? failed(error) : found(number))));
    },
    (key) => key,
  );
  const [first, second, third, other] = [ask('a'), ask('a'), ask('a'), ask('b')];
  expect(begun).toEqual(['a', 'b']);
  ends[0](new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  ends[1]();
  expect(await other).toBe(2);
  await expect.poll(() => begun.length).toBe(3);
  const late = ask('a');
  ends[2]();
  expect(await Promise.all([second, third])).toEqual([3, 3]);
  await expect.poll(() => begun.length).toBe(4);
  ends[3]();
  expect(await late).toBe(4);
  const again = ask('a');
  expect(begun.length).toBe(5);
  ends[4]();
  expect(await again).toBe(5);
});
