/** The stack of the web pages, which do not belong to a version: their load balancer keeps its address. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import type { PublicUiConfig } from '../config/deployment/public-ui.ts';
import { addUi, type UiProps } from './ui.ts';

/** The web pages and their load balancer. */
export class UiStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    config: DeployConfig,
    ui: true | PublicUiConfig,
    props: StackProps & UiProps,
  ) {
    super(scope, id, props);
    addUi(this, config, ui, props);
  }
}
