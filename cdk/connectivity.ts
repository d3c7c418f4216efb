/** A proxy and own certificate authorities, for the containers that run selm. */
import type { Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { DeployConfig } from '../config/deployment.ts';

/** Names of the containers that run selm. */
const OWN = ['worker', 'ui'];

/**
 * Reached without the proxy: the machine itself, ECS's metadata and agent, and AWS. ECS pulls images and writes logs without a proxy
 * whatever a container's variables say, so AWS must be reachable directly anyway.
 */
const DIRECT = ['127.0.0.1', 'localhost', '169.254.169.254', '169.254.170.2', '.amazonaws.com', '.amazonaws.com.cn'];

/** Node's own certificates are in the program; this file adds to them. Python and Temporal's core read a file with all of them. */
const ADDED = '/tmp/selm-ca.pem';
const ALL = '/tmp/selm-ca-all.pem';
const PUBLIC = '/etc/ssl/certs/ca-certificates.crt';
const CA_VARIABLES = { NODE_EXTRA_CA_CERTS: ADDED, SSL_CERT_FILE: ALL, REQUESTS_CA_BUNDLE: ALL };
/** Node reads the file when it starts, so a shell writes it before. The last line is the entry point of the images. */
const ENTRY_POINT = [
  'sh',
  '-ec',
  [
    `printf '%s\\n' "$SELM_CA_BUNDLE" > ${ADDED}`,
    `cat ${PUBLIC} ${ADDED} > ${ALL}`,
    'exec node dist/cli/main.js "$@"',
  ].join('\n'),
  'selm',
];

/** Adds the variables of the proxy, and the certificates, to all containers that run selm. */
export function connectThrough(
  stacks: Stack[],
  { proxy, caBundle, temporal }: Pick<DeployConfig, 'proxy' | 'caBundle' | 'temporal'>,
): void {
  // Only the network resolves the host name of its own server.
  const inside = temporal.kind === 'self-hosted' && temporal.tls ? [temporal.tls.hostname] : [];
  for (const construct of stacks.flatMap((stack) => stack.node.findAll())) {
    if (!(construct instanceof ecs.TaskDefinition)) continue;
    const containers = construct.node.children.filter((child) => child instanceof ecs.ContainerDefinition);
    for (const [index, container] of containers.entries()) {
      if (!OWN.includes(container.containerName)) continue;
      const set = (variables: Record<string, string>) =>
        Object.entries(variables).forEach(([name, value]) => container.addEnvironment(name, value));
      if (proxy) set(proxyVariables(proxy, inside));
      if (caBundle === undefined) continue;
      set({ SELM_CA_BUNDLE: caBundle.trim(), ...CA_VARIABLES });
      const resource = construct.node.defaultChild as ecs.CfnTaskDefinition;
      resource.addPropertyOverride(`ContainerDefinitions.${index}.EntryPoint`, ENTRY_POINT);
    }
  }
}

function proxyVariables(
  { https, noProxy }: NonNullable<DeployConfig['proxy']>,
  inside: string[],
): Record<string, string> {
  const direct = [...DIRECT, ...inside, ...noProxy].join(',');
  // Node and Python read the names in capitals, gRPC's client only the others.
  return {
    NODE_USE_ENV_PROXY: '1',
    HTTPS_PROXY: https,
    https_proxy: https,
    NO_PROXY: direct,
    no_proxy: direct,
  };
}
