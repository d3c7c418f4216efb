/** Whether CDK's bootstrap stack is in the account and region. */
import { DescribeStacksCommand, type CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { Finding } from './findings.ts';

const STACK = 'CDKToolkit';
/** The version of the bootstrap stack that the templates of CDK 2 require. */
const LEAST_VERSION = 6;

/** Examines whether CDK's bootstrap stack is there, in a version that CDK accepts. */
export async function examineBootstrap(client: CloudFormationClient): Promise<Finding[]> {
  const check = `CDK's bootstrap stack ${STACK}`;
  const remedy = 'run: npx cdk bootstrap';
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: STACK }));
    const version = Number(stack.Outputs?.find(({ OutputKey }) => OutputKey === 'BootstrapVersion')?.OutputValue ?? 0);
    if (version < LEAST_VERSION) return [{ check, verdict: 'stops', detail: `has version ${version}; ${remedy}` }];
    return [{ check, verdict: 'fine', detail: `version ${version}` }];
  } catch (error) {
    const { name, message } = error as Error;
    // CloudFormation has no error of its own for a stack that does not exist.
    if (name !== 'ValidationError' || !message.includes('does not exist')) throw error;
    return [{ check, verdict: 'stops', detail: `is missing; ${remedy}` }];
  }
}
