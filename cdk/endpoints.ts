/** The VPC endpoints of AWS services, with policies: through them, tasks use only the deployment's bucket, and only as this account. */
import type { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { DeployConfig } from '../config/deployment.ts';
import { endpointsOf, type EndpointName } from '../config/deployment/network.ts';
import { acknowledgeOwnRange } from './acknowledgements.ts';

const { InterfaceVpcEndpointAwsService: Services } = ec2;

const SERVICES: Record<EndpointName, ec2.InterfaceVpcEndpointAwsService> = {
  EcrApi: Services.ECR,
  EcrDocker: Services.ECR_DOCKER,
  Logs: Services.CLOUDWATCH_LOGS,
  Secrets: Services.SECRETS_MANAGER,
  Ecs: Services.ECS,
  EcsAgent: Services.ECS_AGENT,
  EcsTelemetry: Services.ECS_TELEMETRY,
  SessionMessages: Services.SSM_MESSAGES,
};
/** AWS documents no policies for these, which serve only the ECS agent. */
const WITHOUT_POLICY: EndpointName[] = ['EcsAgent', 'EcsTelemetry'];

/** Where the endpoints are, and the bucket of the artifacts. */
interface EndpointProps {
  vpc: ec2.IVpc;
  subnets: ec2.SubnetSelection;
  bucketArn: string;
}

/** Adds the S3 endpoint (not to an existing VPC, unless endpoints are configured) and the configured interface endpoints. */
export function addEndpoints(stack: Stack, config: DeployConfig, { vpc, subnets, bucketArn }: EndpointProps): void {
  const names = endpointsOf(config);
  if (!config.network.vpc || names.length > 0) {
    const s3 = vpc.addGatewayEndpoint('S3', {
      service: ec2.GatewayVpcEndpointAwsService.S3,
      ...(config.network.vpc && { subnets: [subnets] }),
    });
    // Buckets of AWS: the layers of images in ECR, and the packages of Amazon Linux, also of a VPC with a NAT gateway.
    const ofAws = [`prod-${stack.region}-starport-layer-bucket`, `al2023-repos-${stack.region}-de612dc2`].map(
      (resource) => stack.formatArn({ service: 's3', region: '', account: '', resource, resourceName: '*' }),
    );
    s3.addToPolicy(anyone(['s3:*'], [bucketArn, `${bucketArn}/*`]));
    s3.addToPolicy(anyone(['s3:GetObject'], ofAws));
  }
  if (names.length === 0) return;
  const group = new ec2.SecurityGroup(stack, 'Endpoints', { vpc, allowAllOutbound: false });
  group.addIngressRule(ec2.Peer.ipv4(vpc.vpcCidrBlock), ec2.Port.HTTPS, 'Tasks');
  acknowledgeOwnRange(group);
  for (const name of names) {
    const service = SERVICES[name];
    const endpoint = vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false, subnets });
    if (WITHOUT_POLICY.includes(name)) continue;
    const ownAccount = { StringEquals: { 'aws:PrincipalAccount': stack.account } };
    endpoint.addToPolicy(anyone(['*'], ['*'], ownAccount));
  }
}

const anyone = (actions: string[], resources: string[], conditions?: Record<string, object>) =>
  new PolicyStatement({ principals: [new AnyPrincipal()], actions, resources, ...(conditions && { conditions }) });
