/** The CDK app: deploys the configuration that `selm deploy` has written to the context, or the defaults. */
import { buildDeployment, createApp } from './build.ts';
import { CONTEXT_KEY } from '../config/deployment.ts';
import { checkDeployConfig } from '../config/load-deployment.ts';

const app = createApp();
buildDeployment(app, checkDeployConfig(app.node.tryGetContext(CONTEXT_KEY) ?? {}, `Context "${CONTEXT_KEY}"`));
app.synth();
