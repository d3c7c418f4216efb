/** The budget in AWS Budgets, which only sends notifications. At a run's own `budget` the run waits for a decision. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import type { Construct } from 'constructs';

/** Tag of all resources of a deployment. The budget needs it as an active cost allocation tag, activated once per account. */
export const DEPLOYMENT_TAG = 'selm-deployment';

/** Notifies by email at 80 % and 100 % of the monthly limit, and when the forecast exceeds it. */
export class BudgetStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    name: string,
    { monthlyUsd, email }: { monthlyUsd: number; email: string },
    props: StackProps,
  ) {
    super(scope, id, props);
    const notify = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: { notificationType, comparisonOperator: 'GREATER_THAN', threshold, thresholdType: 'PERCENTAGE' },
      subscribers: [{ subscriptionType: 'EMAIL', address: email }],
    });
    new CfnBudget(this, 'Budget', {
      budget: {
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthlyUsd, unit: 'USD' },
        costFilters: { TagKeyValue: [`user:${DEPLOYMENT_TAG}$${name}`] },
      },
      notificationsWithSubscribers: [notify('ACTUAL', 80), notify('ACTUAL', 100), notify('FORECASTED', 100)],
    });
  }
}
