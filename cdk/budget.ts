/** The second line against costs: AWS tells somebody. The first is a run's own `budget`, at which it waits for a decision. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import type { Construct } from 'constructs';

/** Tag of everything in a deployment. As a cost allocation tag it must be activated once an account. */
export const DEPLOYMENT_TAG = 'selm-deployment';

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
