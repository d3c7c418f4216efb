/** Combinations of an organization's settings that cannot work together. */
import type { DeployConfig } from '../deployment.ts';
import { zonesOf } from './network.ts';

/** What is wrong with settings that are each valid; undefined if nothing is. */
export function enterpriseConflict({ account, region, network, ui, tags }: DeployConfig): string | undefined {
  if ((account === undefined) !== (region === undefined))
    return `${account === undefined ? 'account' : 'region'} is missing: account and region are given together, or neither.`;
  const zone = zonesOf(network)?.find((name) => region !== undefined && !name.startsWith(region));
  if (zone !== undefined) return `zone ${zone} is not in region: ${region}; give zones of that region.`;
  if (typeof ui === 'object' && network.vpc && !network.vpc.publicSubnets)
    return 'network.vpc.publicSubnets is missing: the load balancer of web pages on the internet needs public subnets; or give ui: true.';
  if (typeof ui === 'object' && ui.oidc.groups && network.natGateways === 0)
    return (
      "ui.oidc.groups needs a NAT gateway: the load balancer's public keys, which no VPC endpoint has, are on the internet; " +
      'give network.natGateways: 1.'
    );
  const reserved = Object.keys(tags).find((key) => /^(aws:|selm-deployment$)/i.test(key));
  if (reserved !== undefined) return `tags.${reserved} is reserved; give it another name.`;
  return undefined;
}
