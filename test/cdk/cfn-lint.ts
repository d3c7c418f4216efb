/** cfn-lint, which checks CloudFormation templates. It is installed from PyPI once. */
import { join } from 'node:path';
import { pythonEnvironment } from '../made-once.ts';

const VERSION = '1.58.0';

/** The path of its program. */
export const findCfnLint = async (): Promise<string> =>
  join(await pythonEnvironment(`cfn-lint-${VERSION}`, `cfn-lint==${VERSION}`), 'cfn-lint');
