/** Web pages on the internet: their address, and the OpenID Connect provider that signs users in. */
import { z } from 'zod';
import { arn } from './enterprise.ts';

const endpoint = z.url({ protocol: /^https$/, error: 'expected an https:// address' });
const groupNames = z.array(z.string().min(1)).min(1);

export const publicUiSchema = z.strictObject({
  hostname: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'expected a host name, such as selm.example.com')
    .describe('Host name of the pages. You point it at the load balancer.'),
  certificateArn: arn('acm').describe('Certificate of the host name in Certificate Manager, in the same region.'),
  oidc: z
    .strictObject({
      issuer: endpoint.describe("The provider's issuer."),
      authorizationEndpoint: endpoint.describe("The provider's authorization endpoint."),
      tokenEndpoint: endpoint.describe("The provider's token endpoint."),
      userInfoEndpoint: endpoint.describe("The provider's user info endpoint."),
      clientId: z.string().describe('Client id under which selm is registered at the provider.'),
      clientSecretArn: arn('secretsmanager').describe('Secret in Secrets Manager whose text is the client secret.'),
      scope: z
        .string()
        .regex(/(^| )openid( |$)/, 'expected scopes with openid among them, such as "openid groups"')
        .default('openid')
        .describe(
          'Scopes that are requested of the provider, separated by spaces. It may need one for the claim of groups.',
        ),
      name: z
        .string()
        .min(1)
        .default('sub')
        .describe(
          "Claim of the provider's user info endpoint with the name that votes and decisions are recorded with. It must be unique " +
            'and never given to another person: `sub` always is, `email` often (needs `scope: openid email`).',
        ),
      groups: z
        .strictObject({
          claim: z
            .string()
            .default('groups')
            .describe("Claim of the provider's user info endpoint that lists the groups of a user."),
          values: groupNames.describe('Groups whose users may see the pages of runs and policies.'),
          labelers: groupNames
            .optional()
            .describe('Groups whose users vote in rounds with `label.by: people`. Default: only `operators` do.'),
          operators: groupNames
            .optional()
            .describe('Groups whose users decide about runs; they also see all pages and vote. Default: nobody.'),
        })
        .optional()
        .describe('Restricts the pages to groups. Default: everybody whom the provider signs in can read all pages.'),
    })
    .describe('OpenID Connect provider that signs users in.'),
});

export type PublicUiConfig = z.infer<typeof publicUiSchema>;
