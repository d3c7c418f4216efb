/** Names the runbook of every alarm in the alarm's description: a section of docs/deploy.md. */
import type { IAspect } from 'aws-cdk-lib';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { IConstruct } from 'constructs';

/** The anchor of an alarm's section, by the id of its construct: alarms that mean the same have the same id. */
export const runbookOf = (id: string) => `alarm-${id.toLowerCase()}`;

/** Whoever is notified of an alarm reads where its runbook is. */
export class NameRunbooks implements IAspect {
  visit(node: IConstruct): void {
    if (!(node instanceof CfnAlarm)) return;
    const { id } = node.node.scope!.node;
    node.alarmDescription = `${node.alarmDescription} Runbook: docs/deploy.md#${runbookOf(id)}`;
  }
}
