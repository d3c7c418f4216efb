/** Web pages on the internet: their address, and the OpenID Connect provider that signs users in. */
import { z } from 'zod';

const endpoint = z.url({ protocol: /^https$/, error: 'expected an https:// address' });
const arn = (service: string) =>
  z.string().regex(new RegExp(`^arn:[\\w-]+:${service}:`), `expected arn:aws:${service}:…`);

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
    })
    .describe('OpenID Connect provider that signs users in. Everybody whom it signs in can read all pages.'),
});

export type PublicUiConfig = z.infer<typeof publicUiSchema>;
