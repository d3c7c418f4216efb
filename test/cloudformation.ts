/** A CloudFormation before moto's, for what moto's does not do. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

/**
 * Starts a CloudFormation for what moto's does not do.
 * @param answer the XML inside of the result of an action; undefined to ask moto
 * @returns the environment in addition to moto's
 */
export async function startCloudFormation(
  moto: string,
  answer: (action: string, query: URLSearchParams) => string | undefined | Promise<string | undefined>,
): Promise<Record<string, string>> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', async () => {
      const query = new URLSearchParams(body);
      const action = query.get('Action')!;
      const own = await answer(action, query);
      if (own !== undefined) {
        const result = `<${action}Response><${action}Result>${own}</${action}Result></${action}Response>`;
        return void response.writeHead(200, { 'Content-Type': 'text/xml' }).end(result);
      }
      const { 'content-type': type = '', authorization = '' } = request.headers;
      const headers = { 'Content-Type': type, Authorization: authorization };
      void fetch(moto, { method: 'POST', headers, body }).then(async (other) =>
        response.writeHead(other.status, { 'Content-Type': 'text/xml' }).end(await other.text()),
      );
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => void server.close());
  return { AWS_ENDPOINT_URL_CLOUDFORMATION: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A list in an answer of CloudFormation. */
export const membersOf = (items: string[]) => items.map((item) => `<member>${item}</member>`).join('');
