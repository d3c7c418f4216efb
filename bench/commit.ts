/** The commit that the bench measures. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the bench writes, and pages. */
const WRITTEN = ['bench/results.json', 'docs', 'README.md'];
const root = fileURLToPath(new URL('..', import.meta.url));
const git = (...args: string[]) =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

/** The short name of this repository's commit, with `-dirty` if other files differ from it. Undefined outside a git repository. */
export function measuredCommit(): string | undefined {
  try {
    const changed = git('status', '--porcelain', '--', '.', ...WRITTEN.map((path) => `:!${path}`));
    return `${git('rev-parse', '--short', 'HEAD')}${changed && '-dirty'}`;
  } catch {
    return undefined;
  }
}
