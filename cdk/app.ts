/** The CDK app: deploys the configuration in the context, or the defaults. `selm deploy` gives the path of a JSON file there. */
import { readFileSync } from 'node:fs';
import { buildDeployment, createApp } from './build.ts';
import { CONTEXT_KEY } from '../config/deployment.ts';
import { checkDeployConfig } from '../config/load-deployment.ts';
import { InputError } from '../data/errors.ts';

const app = createApp();
const given = app.node.tryGetContext(CONTEXT_KEY) as unknown;
const config = typeof given === 'string' ? (JSON.parse(readFileSync(given, 'utf8')) as unknown) : (given ?? {});
try {
  buildDeployment(app, checkDeployConfig(config, `Context "${CONTEXT_KEY}"`));
  app.synth();
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  console.error(`selm: ${error.message}`);
  process.exit(2);
}
