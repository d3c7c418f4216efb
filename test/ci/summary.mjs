/**
 * The last lines of .ci/run: the longest test files, and the numbers of tests that passed and failed. Arguments: the JSON results of Vitest,
 * those of the files that ran once more because they hung (may be empty), the JUnit results of pytest (may be empty), and the numbers of
 * other checks and of those that failed.
 */
import { readFileSync } from 'node:fs';

const [results, again, python, checks, failedChecks] = process.argv.slice(2);

const filesOf = (path) => {
  const text = readFileSync(path, 'utf8');
  return text ? JSON.parse(text).testResults : [];
};
const repeated = filesOf(again);
const names = new Set(repeated.map(({ name }) => name));
const files = [...filesOf(results).filter(({ name }) => !names.has(name)), ...repeated];

const seconds = ({ startTime, endTime }) => Math.round((endTime - startTime) / 1000);
const longest = files.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, 80);
console.log('Seconds of the longest test files (test/longest-first.ts has their order):');
const nameOf = ({ name }) => name.replace(/^.*\/test\//, '').replace('.test.ts', '');
console.log(longest.map((one) => `${nameOf(one)} ${seconds(one)}`).join(', '));

const count = (wanted) =>
  files.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === wanted).length;
/** Files that failed before or beside their tests: an import, a hook. */
const broken = files.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
).length;

/** The sums over the test suites of a JUnit file. */
const suites = [...readFileSync(python, 'utf8').matchAll(/<testsuite .*?>/gs)].map(([suite]) => suite);
const sum = (name) => suites.reduce((total, suite) => total + Number(suite.match(` ${name}="(\\d+)"`)?.[1] ?? 0), 0);

const failed = count('failed') + broken + Number(failedChecks) + sum('failures') + sum('errors');
const passed =
  count('passed') + (checks - failedChecks) + sum('tests') - sum('failures') - sum('errors') - sum('skipped');
console.log(`${passed} passed, ${failed} failed`);
