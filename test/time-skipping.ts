/** Temporal's own test server, which skips the time that workflows wait; fetched once with Maven. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { cacheFolder } from '../workers/places.ts';

const VERSION = '1.38.0';
const STARTS = 10;

const POM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>selm</groupId><artifactId>test-server</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** The server as an executable. */
function testServer(): string {
  const folder = join(cacheFolder(), `temporal-test-server-${VERSION}`);
  const executable = join(folder, 'test-server');
  if (existsSync(executable)) return executable;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, 'pom.xml'), POM);
  execFileSync('mvn', ['--quiet', 'dependency:copy-dependencies', `-DoutputDirectory=${join(unfinished, 'lib')}`], {
    cwd: unfinished,
    stdio: 'pipe',
  });
  const script = join(unfinished, 'test-server');
  writeFileSync(script, `#!/bin/sh\nexec java -cp "${join(folder, 'lib')}/*" io.temporal.testserver.TestServer "$@"\n`);
  chmodSync(script, 0o755);
  renameSync(unfinished, folder);
  return executable;
}

/** A server on which awaiting a workflow's result skips what it waits for. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const executable = { type: 'existing-path', path: testServer() } as const;
  for (let tries = 1; ; tries++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      // The SDK gives it 5 s, in which a JVM may not start on a busy machine.
      if (tries === STARTS || !/did not start within/.test((error as Error).message)) throw error;
    }
  }
}
