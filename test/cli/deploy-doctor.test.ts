/** The command with AWS's own clients, against a local server that gives the few answers in the services' formats. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Finding } from '../../cdk/doctor.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const file = join(folder, 'deploy.yaml');
writeFileSync(file, 'gpu: { maxWorkers: 4 }\n');

/** What the account has: vCPUs by quota code, zones by instance type, and the role. */
interface Account {
  quotas: Record<string, number>;
  offered: Record<string, string[]>;
  role: boolean;
}

const VCPUS: Record<string, number> = { 'g6.xlarge': 4, 'g5.xlarge': 4, 'g6e.xlarge': 4, 'p4d.24xlarge': 96 };

const list = (name: string, items: string[]) =>
  `<${name}>${items.map((item) => `<item>${item}</item>`).join('')}</${name}>`;

const xml = (response: ServerResponse, text: string, status = 200) =>
  void response.writeHead(status, { 'Content-Type': 'text/xml' }).end(text);

async function startAws({ quotas, offered, role }: Account): Promise<Record<string, string>> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const target = request.headers['x-amz-target'] as string | undefined;
      const query = new URLSearchParams(body);
      if (target) {
        const { QuotaCode } = JSON.parse(body) as { QuotaCode: string };
        // An account without a value of its own has AWS's default, which is 0 for GPUs.
        const value = target.endsWith('GetAWSDefaultServiceQuota') ? 0 : quotas[QuotaCode];
        const json =
          value === undefined ? { __type: 'NoSuchResourceException' } : { Quota: { QuotaCode, Value: value } };
        response
          .writeHead(value === undefined ? 400 : 200, { 'Content-Type': 'application/x-amz-json-1.1' })
          .end(JSON.stringify(json));
      } else if (query.get('Action') === 'DescribeInstanceTypeOfferings') {
        const items = Object.entries(offered).flatMap(([type, zones]) =>
          zones.map((zone) => `<instanceType>${type}</instanceType><location>${zone}</location>`),
        );
        xml(
          response,
          `<DescribeInstanceTypeOfferingsResponse>${list('instanceTypeOfferingSet', items)}</DescribeInstanceTypeOfferingsResponse>`,
        );
      } else if (query.get('Action') === 'DescribeInstanceTypes') {
        const asked = [...query].filter(([key]) => key.startsWith('InstanceType.')).map(([, type]) => type);
        const items = asked.map(
          (type) =>
            `<instanceType>${type}</instanceType><vCpuInfo><defaultVCpus>${VCPUS[type]}</defaultVCpus></vCpuInfo>`,
        );
        xml(
          response,
          `<DescribeInstanceTypesResponse>${list('instanceTypeSet', items)}</DescribeInstanceTypesResponse>`,
        );
      } else if (role) {
        xml(
          response,
          `<GetRoleResponse><GetRoleResult><Role><RoleName>${query.get('RoleName')}</RoleName></Role></GetRoleResult></GetRoleResponse>`,
        );
      } else {
        xml(
          response,
          '<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>none</Message></Error></ErrorResponse>',
          404,
        );
      }
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...nobody,
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_REGION: 'eu-test-1',
    AWS_ENDPOINT_URL: url,
  };
}

/** Neither credentials nor region, wherever the test runs. */
const nobody = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_PROFILE: '',
  AWS_REGION: '',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: join(folder, 'none'),
  AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
};

const doctorOf = (config: string, env: Record<string, string>, ...flags: string[]) =>
  selm(['deploy', 'doctor', '--config', config, ...flags], env);
const doctor = (env: Record<string, string>, ...flags: string[]) => doctorOf(file, env, ...flags);
const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const verdicts = (ended: Ended) => {
  const { findings } = summaryOf<{ findings: Finding[] }>(ended);
  return Object.fromEntries(findings.map(({ check, verdict }) => [check.replace(/.*\((L-\w+)\)/, '$1'), verdict]));
};

const everywhere = { 'g6.xlarge': ['a', 'b'], 'g5.xlarge': ['a'], 'g6e.xlarge': ['b'] };

it('an account with all that is needed is fine', async () => {
  const ended = await doctor(
    await startAws({ quotas: { 'L-3819A6DF': 16, 'L-DB2E81BA': 16 }, offered: everywhere, role: true }),
    '--json',
  );
  expect(ended.code, ended.stderr).toBe(0);
  expect(new Set(Object.values(verdicts(ended)))).toEqual(new Set(['fine']));
  expect(Object.keys(verdicts(ended))).toHaveLength(6);
});

it('a new account, without quota and role, is stopped; one of its types is not there', async () => {
  const ended = await doctor(
    await startAws({ quotas: {}, offered: { 'g6.xlarge': ['a'], 'g5.xlarge': ['a'] }, role: false }),
    '--json',
  );
  expect(ended.code).toBe(1);
  expect(verdicts(ended)).toEqual({
    'g6.xlarge': 'fine',
    'g5.xlarge': 'fine',
    'g6e.xlarge': 'warning',
    'L-3819A6DF': 'stops',
    'L-DB2E81BA': 'stops',
    "ECS's service-linked role": 'stops',
  });
});

it('without credentials it says what it has not checked, and what a deployment costs', async () => {
  const { code, stdout, stderr } = await doctor(nobody);
  expect(code, stderr).toBe(0);
  expect(stdout.match(/not checked .*no AWS (credentials|region) in the environment/g)).toHaveLength(3);
  // The NAT gateway's published price, a day.
  expect(stdout).toMatch(/NAT gateway .*1 × 24 h × 0\.045 .*1\.08/);
});

it('A100s come by eight only: managed instances never have one, and a group of p4d needs a quota of its own', async () => {
  const alone = await doctorOf(write('a100.yaml', 'gpu: { accelerators: [a100] }\n'), nobody);
  expect(alone.code).toBe(2);
  expect(alone.stderr).toMatch(
    /^selm: .*a100\.yaml: gpu\.accelerators: no instance type has a single A100.*p4d\.24xlarge.*\n$/,
  );

  const aws = await startAws({
    quotas: { 'L-417A185B': 0 },
    offered: { 'g6.xlarge': ['a'], 'p4d.24xlarge': ['a'] },
    role: true,
  });
  const mixed = await doctorOf(write('mixed.yaml', 'gpu: { accelerators: [a100, l4] }\n'), aws, '--json');
  expect(verdicts(mixed)).toMatchObject({ 'gpu.accelerators: a100': 'warning', 'g6.xlarge': 'fine' });

  const group = write(
    'p4d.yaml',
    'gpu: { capacity: auto-scaling-group, instanceType: p4d.24xlarge, spot: false, maxWorkers: 2 }\n',
  );
  const ended = await doctorOf(group, aws, '--json');
  expect(ended.code).toBe(1);
  expect(verdicts(ended)).toMatchObject({ 'p4d.24xlarge': 'fine', 'L-417A185B': 'stops' });
  expect(ended.stdout).toContain('0 vCPUs, 0 of 2 workers at 96; ask for 192 in Service Quotas');
});

it('a bad configuration is one sentence', async () => {
  writeFileSync(join(folder, 'bad.yaml'), 'gpu: { maxWorkers: none }\n');
  const { code, stderr } = await selm(['deploy', 'doctor', '--config', join(folder, 'bad.yaml')], nobody);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^selm: .*bad\.yaml.*maxWorkers.*\n$/);
});
