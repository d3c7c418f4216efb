/** The configuration of web pages that are reached from the internet: where, and who lets people in. */
import { z } from 'zod';

const endpoint = z.url({ protocol: /^https$/, error: 'expected an https:// address' });
const arn = (service: string) =>
  z.string().regex(new RegExp(`^arn:[\\w-]+:${service}:`), `expected arn:aws:${service}:…`);

export const publicUiSchema = z.strictObject({
  hostname: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'expected a host name, such as selm.example.com')
    .describe('Name by which browsers reach it: yours to point at the load balancer.'),
  certificateArn: arn('acm').describe("The name's certificate in Certificate Manager, of the same region."),
  oidc: z
    .strictObject({
      issuer: endpoint,
      authorizationEndpoint: endpoint,
      tokenEndpoint: endpoint,
      userInfoEndpoint: endpoint,
      clientId: z.string(),
      clientSecretArn: arn('secretsmanager').describe("Secret whose text is the client's."),
    })
    .describe('Who signs people in, as OpenID Connect has it: all whom this provider lets in see all pages.'),
});

export type PublicUiConfig = z.infer<typeof publicUiSchema>;
