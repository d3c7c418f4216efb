/** Which deployment, and the settings of the AWS clients for it. */

/** The deployment of a configuration, in its account and region if it names them. */
export interface Target {
  name: string;
  account?: string;
  region?: string;
}

/** Client settings for the region of a deployment. Default: the region of the environment. */
export const inRegion = ({ region }: Target) => (region === undefined ? {} : { region });
