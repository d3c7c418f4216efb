/** How workers connect to Temporal: the variables of Temporal's environment configuration, plain and secret. */
import { Fn } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import { acknowledgeOwnRange } from './acknowledgements.ts';
import type { CloudConfig } from '../config/deployment/temporal.ts';

/** Environment variables with which a client connects to Temporal. */
export interface TemporalConnection {
  environment: Record<string, string>;
  /** Maps secret variables to names of secrets in Secrets Manager. */
  secrets: Record<string, string>;
}

const PORT = 7233;

/** Connects to Temporal Cloud over the internet or PrivateLink. With an API key, clients use TLS by default. */
export function connectToCloud(
  scope: Construct,
  { address, namespace, apiKeySecret, privateLinkService }: CloudConfig,
  vpc: ec2.IVpc,
  subnets: ec2.SubnetSelection,
): TemporalConnection {
  const secrets = { TEMPORAL_API_KEY: apiKeySecret };
  if (privateLinkService === undefined) {
    return { environment: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }, secrets };
  }
  const group = new ec2.SecurityGroup(scope, 'PrivateLink', { vpc, allowAllOutbound: false });
  group.addIngressRule(ec2.Peer.ipv4(vpc.vpcCidrBlock), ec2.Port.tcp(PORT), 'Workers');
  acknowledgeOwnRange(group);
  const endpoint = new ec2.InterfaceVpcEndpoint(scope, 'TemporalCloud', {
    vpc,
    service: new ec2.InterfaceVpcEndpointService(privateLinkService, PORT),
    privateDnsEnabled: false,
    securityGroups: [group],
    subnets,
    open: false,
  });
  // Each entry is `zone:name`; the first one is the regional name, for all zones.
  const host = Fn.select(1, Fn.split(':', Fn.select(0, endpoint.vpcEndpointDnsEntries)));
  return {
    environment: {
      TEMPORAL_ADDRESS: `${host}:${PORT}`,
      TEMPORAL_NAMESPACE: namespace,
      // The certificate is issued for the public host name.
      TEMPORAL_TLS_SERVER_NAME: address.split(':')[0],
    },
    secrets,
  };
}
