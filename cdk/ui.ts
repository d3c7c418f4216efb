/** The web pages: a task of the control image behind a load balancer, either internal or on the internet with sign-in. */
import { CfnOutput, Duration, SecretValue, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledgeOpenDoor, acknowledgeOwnRange, acknowledgeTask } from './acknowledgements.ts';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { UI } from './fargate-sizes.ts';
import { healthCheck, secretsOf } from './environment.ts';
import { imageOf } from './images.ts';
import { REDIRECT_OUTPUT } from './removed-sections.ts';
import type { StorageStack } from './storage.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import type { PublicUiConfig } from '../config/deployment/public-ui.ts';
import type { SignIn } from '../web/sign-in.ts';

const PORT = 8080;
/** Hours after which a user must sign in again. */
const SESSION_HOURS = 12;

/** Resources that the web pages use. */
export interface UiProps extends StackProps {
  vpc: ec2.IVpc;
  /** Subnets of the task and of an internal load balancer. */
  subnets: ec2.SubnetSelection;
  /** Subnets of a load balancer on the internet. */
  entrance: ec2.SubnetSelection;
  storage: StorageStack;
  temporal: TemporalConnection;
  cluster: ecs.Cluster;
  logGroup: LogGroup;
}

/**
 * The web pages and their load balancer. They do not belong to a version, so that the load balancer keeps its address.
 * @param ui `true` for pages that only addresses of the network can reach
 */
export class UiStack extends Stack {
  constructor(scope: Construct, id: string, config: DeployConfig, ui: true | PublicUiConfig, props: UiProps) {
    super(scope, id, props);
    const balancer = this.balancer(ui, props);
    const pages = new elb.ApplicationTargetGroup(this, 'UiPages', {
      vpc: props.vpc,
      port: PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [
        this.service(config, props, flagsOf(ui), signedInBy(ui, balancer)).loadBalancerTarget({
          containerName: 'ui',
          containerPort: PORT,
        }),
      ],
      healthCheck: { path: '/healthz' },
      // A response takes only seconds, and event streams end with the task (web/live/events.ts): browsers connect again.
      deregistrationDelay: Duration.seconds(30),
    });
    const forward = elb.ListenerAction.forward([pages]);
    if (ui !== true) {
      balancer.addListener('Https', {
        port: 443,
        certificates: [elb.ListenerCertificate.fromArn(ui.certificateArn)],
        // TLS 1.2 and 1.3.
        sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
        open: false,
        defaultAction: signIn(ui.oidc, forward),
      });
    } else balancer.addListener('Http', { port: 80, open: false, defaultAction: forward });
    this.addOutputs(ui, balancer);
  }

  private balancer(ui: true | PublicUiConfig, props: UiProps): elb.ApplicationLoadBalancer {
    const { vpc, subnets, entrance, storage } = props;
    const isPublic = ui !== true;
    const securityGroup = new ec2.SecurityGroup(this, 'UiBalancer', { vpc, allowAllOutbound: false });
    if (isPublic) {
      securityGroup.addIngressRule(ec2.Peer.anyIpv4(), ec2.Port.HTTPS, 'Browsers');
      acknowledgeOpenDoor(securityGroup);
    } else {
      securityGroup.addIngressRule(ec2.Peer.ipv4(vpc.vpcCidrBlock), ec2.Port.HTTP, 'Browsers of this network');
      acknowledgeOwnRange(securityGroup);
    }
    const balancer = new elb.ApplicationLoadBalancer(this, 'UiLoadBalancer', {
      vpc,
      internetFacing: isPublic,
      vpcSubnets: isPublic ? entrance : subnets,
      securityGroup,
      dropInvalidHeaderFields: true,
    });
    storage.keepAccessLog(balancer, 'ui');
    return balancer;
  }

  private service(
    config: DeployConfig,
    props: UiProps,
    flags: string[],
    environment: Record<string, string>,
  ): ecs.FargateService {
    const { vpc, subnets, storage, temporal, cluster, logGroup } = props;
    const taskDefinition = new ecs.FargateTaskDefinition(this, 'UiTask', {
      cpu: UI.cpu,
      memoryLimitMiB: UI.memoryMiB,
      volumes: [{ name: 'tmp' }],
    });
    const container = taskDefinition.addContainer('Ui', {
      containerName: 'ui',
      image: imageOf('control', config),
      command: ['ui', '--host', '0.0.0.0', '--port', String(PORT), ...flags],
      environment: {
        AWS_REGION: this.region,
        SELM_STORE: storage.url,
        ...temporal.environment,
        ...codecOf(config.environment),
        ...environment,
      },
      // The workers' other secrets, such as HF_TOKEN, are not needed here.
      secrets: secretsOf(taskDefinition, { ...temporal.secrets, ...codecOf(config.secrets) }, 'ui'),
      portMappings: [{ containerPort: PORT }],
      healthCheck: healthCheck(`http://127.0.0.1:${PORT}/healthz`),
      stopTimeout: Duration.seconds(30),
      readonlyRootFilesystem: true,
      logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'ui' }),
    });
    container.addMountPoints({ sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false });
    storage.grantReadTo(taskDefinition.taskRole);
    acknowledgeTask(taskDefinition, config.name);
    return new ecs.FargateService(this, 'UiService', {
      cluster,
      taskDefinition,
      desiredCount: isStopped(config) ? 0 : 1,
      vpcSubnets: subnets,
      securityGroups: [
        new ec2.SecurityGroup(this, 'UiTasks', { vpc, description: 'Web pages: only the load balancer comes in' }),
      ],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      healthCheckGracePeriod: Duration.minutes(2),
      circuitBreaker: { rollback: true },
    });
  }

  private addOutputs(ui: true | PublicUiConfig, balancer: elb.ApplicationLoadBalancer): void {
    const isPublic = ui !== true;
    new CfnOutput(this, 'UiAddress', {
      value: balancer.loadBalancerDnsName,
      description: isPublic
        ? `What ${ui.hostname} is to be an alias of`
        : 'Of the web pages, from inside of the network: http://',
    });
    if (isPublic)
      new CfnOutput(this, REDIRECT_OUTPUT, {
        value: `https://${ui.hostname}/oauth2/idpresponse`,
        description: 'What the provider is to send people back to',
      });
  }
}

/** The listener's default action. The listener has no other rules, so every request requires sign-in. */
const signIn = ({ clientSecretArn, ...oidc }: PublicUiConfig['oidc'], next: elb.ListenerAction): elb.ListenerAction =>
  elb.ListenerAction.authenticateOidc({
    ...oidc,
    clientSecret: SecretValue.secretsManager(clientSecretArn),
    sessionTimeout: Duration.hours(SESSION_HOURS),
    next,
  });

/** The pages that change something are there if people may use them. */
const flagsOf = (ui: true | PublicUiConfig): string[] => {
  const { labelers, operators } = (ui !== true && ui.oidc.groups) || {};
  return [...(labelers || operators ? ['--label'] : []), ...(operators ? ['--operate'] : [])];
};

/** Environment of the pages that are restricted to groups, which the load balancer itself cannot check. */
function signedInBy(ui: true | PublicUiConfig, balancer: elb.ApplicationLoadBalancer): Record<string, string> {
  if (ui === true || !ui.oidc.groups) return {};
  const { issuer, clientId, name, groups } = ui.oidc;
  const signer: SignIn = { balancer: balancer.loadBalancerArn, issuer, clientId, name, groups };
  return { SELM_UI_SIGN_IN: JSON.stringify(signer) };
}

/** Of the workers' variables those of a payload codec, without which encrypted histories cannot be read. */
const codecOf = (variables: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => /^SELM_(DATA_CONVERTER$|CODEC_)/.test(name)));
