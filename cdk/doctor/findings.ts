/** Findings of `selm deploy doctor`. */

/** The result of one check. */
export interface Finding {
  check: string;
  /** `stops`: the deployment fails, workers never start, or a run cannot be computed. */
  verdict: 'fine' | 'warning' | 'stops' | 'not checked';
  detail: string;
}

/** Turns an error of AWS, such as a missing permission, into a finding, so that the other checks still run. */
export async function orNotChecked(check: string, examine: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await examine();
  } catch (error) {
    const { name, message } = error as Error;
    return [{ check, verdict: 'not checked', detail: `${name}: ${message}` }];
  }
}
