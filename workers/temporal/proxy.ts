/** The proxy of a connection to Temporal. */
import { BlockList, isIPv4 } from 'node:net';
import type { NativeConnectionOptions } from '@temporalio/worker';

/**
 * The HTTP CONNECT proxy of a worker's connection, by the variables and rules of gRPC's client library, which the commands' connections
 * follow by themselves: `grpc_proxy`, `https_proxy`, `http_proxy`; `no_grpc_proxy`, `no_proxy`.
 */
export function proxyOf(address: string, env = process.env): NativeConnectionOptions['proxy'] {
  const proxy = env['grpc_proxy'] || env['https_proxy'] || env['http_proxy'];
  if (!proxy || !URL.canParse(proxy)) return undefined;
  const { protocol, hostname, port, username, password } = new URL(proxy);
  const exceptions = (env['no_grpc_proxy'] || env['no_proxy'] || '').split(',');
  const host = address.replace(/:\d+$/, '');
  if (protocol !== 'http:' || exceptions.some((exception) => matches(host, exception.trim()))) return undefined;
  const basicAuth = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return {
    type: 'http-connect',
    targetHost: `${hostname}:${port || '80'}`,
    ...(username !== '' && { basicAuth }),
  };
}

/** Whether a host has the given ending, or is in the address range. */
function matches(host: string, exception: string): boolean {
  const [, base, bits] = /^([\d.]+)\/(\d+)$/.exec(exception) ?? [];
  if (base === undefined) return exception !== '' && host.endsWith(exception);
  if (!isIPv4(host) || !isIPv4(base) || Number(bits) > 32) return false;
  const range = new BlockList();
  range.addSubnet(base, Number(bits));
  return range.check(host);
}
