/** Stacks that a configuration has no more. CDK deploys the stacks of the app only, and never deletes one. */
import type { DeployConfig } from '../config/deployment.ts';
import type { DeployedStack } from './deployed.ts';

/** Output of the web pages' stack if they are on the internet. */
export const REDIRECT_OUTPUT = 'UiRedirect';

/** A deployed stack that must be deleted before the configuration is deployed, and why. */
interface Obsolete {
  stack: string;
  reason: string;
}

/**
 * The stacks to delete before a deployment: those without state whose section was removed. The web pages' stack uses exports of the
 * network's and the storage's, which have them for nothing else: while it exists, CloudFormation refuses to update these without the exports
 * ("cannot be deleted as it is in use"). The same holds when the pages move between the internet and the network, for which the load
 * balancer is replaced anyway.
 */
export function obsoleteStacks({ name, ui, budget }: DeployConfig, stacks: DeployedStack[]): Obsolete[] {
  const pages = stacks.find((stack) => stack.name === `${name}-ui`);
  const isPublic = pages?.outputs[REDIRECT_OUTPUT] !== undefined;
  return [
    ...(pages && ui === false ? [{ stack: pages.name, reason: 'The configuration has no "ui"' }] : []),
    ...(pages && ui !== false && isPublic !== (ui !== true)
      ? [{ stack: pages.name, reason: 'The web pages move between the internet and the network' }]
      : []),
    ...(!budget && stacks.some((stack) => stack.name === `${name}-budget`)
      ? [{ stack: `${name}-budget`, reason: 'The configuration has no "budget"' }]
      : []),
  ];
}
