/** The CDK app: `cdk deploy --all` with what `selm deploy` has written into the context, or with the defaults. */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { buildDeployment } from './build.ts';
import { checkDeployConfig } from './config.ts';

/** The context's key of the deployment's configuration. */
const KEY = 'selm';

const app = new App();
Validations.of(app).addPlugins(new AwsSolutionsChecks());
buildDeployment(app, checkDeployConfig(app.node.tryGetContext(KEY) ?? {}, `Context "${KEY}"`));
app.synth();
