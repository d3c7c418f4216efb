/** ONNX Runtime reports nothing to Microsoft: it creates neither an identifier nor a log of its uploads. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

/** With one of these ONNX Runtime takes the machine for one of CI, and reports nothing anyway. */
const OF_CI =
  'CI TF_BUILD GITHUB_ACTIONS GITLAB_CI CIRCLECI TRAVIS JENKINS_URL CODEBUILD_BUILD_ID BUILDKITE TEAMCITY_VERSION APPVEYOR ' +
  'ORT_RUNNING_UNIT_TESTS';
const MODEL = tinyModel(join(temporaryFolder(), 'model'));

/** What is in the home and temporary folders after a command with the engine. */
async function leftBy(env: Record<string, string>): Promise<string[]> {
  const [home, temporary] = [temporaryFolder(), temporaryFolder()];
  const [pairs, out] = [join(home, 'pairs.jsonl'), join(home, 'scores.jsonl')];
  await writeJsonl(pairs, [{ prompt: 'Hello', response: 'Hi' }]);
  const { code, stderr } = await selm(['score', '--model', MODEL, '--in', pairs, '--out', out], {
    HOME: home,
    TMPDIR: temporary,
    XDG_CACHE_HOME: join(home, '.cache'),
    SELM_CACHE: join(home, 'selm'),
    ...Object.fromEntries(OF_CI.split(' ').map((name) => [name, ''])),
    ...env,
  });
  expect(code, stderr).toBe(0);
  const found = [home, temporary].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }));
  return found.filter((name) => /deviceid|mat-debug/.test(name));
}

test('by default', async () => {
  expect(await leftBy({})).toEqual([]);
});

test('these are the files that it would create', async () => {
  expect(await leftBy({ ORT_DISABLE_TELEMETRY: '0' })).not.toEqual([]);
});
